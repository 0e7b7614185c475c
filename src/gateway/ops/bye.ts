import type { Row } from '../../engine/port.js';
import { CLOSE } from '../../errors.js';
import { SESSION } from '../../session/table.js';
import type { GatewayContext } from '../context.js';

/** `bye`: the session ends and cannot be resumed; its connection closes behind the answers to what was said before. */
export function bye(context: GatewayContext, row: Row): void {
  context.keeper.end(row);
  context.sessions.setState(row, SESSION.leaving);
  context.port.leave(row, CLOSE.done, 'bye');
}
