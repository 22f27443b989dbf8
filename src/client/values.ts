/**
 * Makes the client's kinds of object known to values: whoever runs user code
 * imports this, so that handles and remote functions can be received.
 *
 * @module
 */
import "./remote.ts";
import "./placement_group.ts";
import "./queue.ts";

export { ownHandle } from "./handle.ts";
