/**
 * The task that piscina's workers run.
 *
 * @module
 */

/** The small value. */
export default () => "ok";
