import type { Row } from '../../engine/port.js';
import { CLOSE } from '../../errors.js';
import type { GatewayContext } from '../context.js';

/** `bye`: the session ends and cannot be resumed. */
export function bye(context: GatewayContext, row: Row): void {
  context.keeper.end(row);
  context.end(row, CLOSE.done, 'bye');
}

/** What its connection waits for: publishes that came before it are still answered. The session is over at once. */
export function untilAnswered({ keeper, publisher }: GatewayContext, row: Row): Promise<void> | null {
  const answered = publisher.answered();
  if (answered !== null) keeper.end(row);
  return answered;
}
