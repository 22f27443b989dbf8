/**
 * The task that the workers of piscina and tinypool run.
 *
 * @module
 */

/** The small value. */
export default () => "ok";
