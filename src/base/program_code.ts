/**
 * A program's files as nodes tell each other of them.
 *
 * @module
 */

/** What a program's processes need on a machine that has none of its files. */
export interface ProgramCode {
  /** Where the program has this library's modules. */
  library: string;
  /** Where its main module is, if that is a file. */
  folder?: string;
  files: ProgramFile[];
  /** Files that it imports and that were not there, or not to be read, by address. */
  missing: string[];
}

/** One file of a program. */
export interface ProgramFile {
  /** Its address on the program's machine. */
  url: string;
  hash: string;
  size: number;
}

/** How a node holds the files of a program. */
export interface ShippedCode {
  /** Address of the folder in which each file lies by its whole path; no slash at its end. */
  root: string;
  /** Where the program has this library's modules. */
  library: string;
  /** Files that the program imports and that could not be sent. */
  missing: string[];
}

/** Contents of files by their hashes. */
export type Contents = Record<string, Uint8Array>;
