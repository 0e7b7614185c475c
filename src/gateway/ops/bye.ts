import type { Row } from '../../engine/port.js';
import { CLOSE } from '../../errors.js';
import type { GatewayContext } from '../context.js';

/** `bye`: the session ends and cannot be resumed. */
export function bye(context: GatewayContext, row: Row): void {
  context.keeper.end(row);
  context.end(row, CLOSE.done, 'bye');
}
