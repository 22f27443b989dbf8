/** stub */
export function mapStack(stack: string): Promise<string> {
  return Promise.resolve(stack);
}
