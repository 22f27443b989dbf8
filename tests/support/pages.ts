/**
 * Pages of documentation as programs: their `ts` blocks, one after the other,
 * and what their comments say that they print.
 *
 * @module
 */

/** The program of a page, or of a part of one. */
export class PageProgram {
  readonly code: string;

  constructor(markdown: string) {
    this.code = [...markdown.matchAll(/```ts\n(.*?)```/gs)]
      .map(([, code]) => code).join("\n");
  }

  /** The lines it promises: the comments that follow code. */
  get promised(): string[] {
    const following = /^(?!\s*\/\/).*\S \/\/ (.*)$/gm;
    return [...this.code.matchAll(following)].flatMap(([, comment]) =>
      // A line in a loop lists what each round prints.
      /^[[{]/.test(comment!) ? [comment!] : comment!.split(/(?<=\d), /)
    );
  }
}
