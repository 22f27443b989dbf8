/**
 * The folders of sessions, for tests that look into them.
 *
 * @module
 */

/** Those of sessions whose temporary files go to a folder. */
export function sessionFoldersIn(temporary: string): string[] {
  const sessions = `${temporary}/manta-${Deno.uid()}`;
  try {
    return [...Deno.readDirSync(sessions)].map(({ name }) =>
      `${sessions}/${name}`
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
