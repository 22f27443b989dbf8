/**
 * What is asked of files in more than one room.
 *
 * @module
 */

/** Whether something is at a path, as far as this process may look. */
export function isThere(path: string | URL): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    const { errors } = Deno;
    const isNone = error instanceof errors.NotFound ||
      error instanceof errors.NotADirectory ||
      error instanceof errors.NotCapable ||
      error instanceof errors.PermissionDenied;
    if (isNone) return false;
    throw error;
  }
}
