/** One seed: clients that publish and listen while faults go on, then a healed world in which everything must come together. */

import { VirtualTime, within } from './virtual-time.js';
import { World, type Faults } from './world.js';

export interface Outcome {
  readonly problems: readonly string[];
  readonly published: number;
  readonly counts: Readonly<World['counts']>;
}

const STORM_MS = 8000;
const CALM_MS = 20_000;

/** `nodes`: one on its own stores, or several over shared ones. `plant`: puts a bug into the world, to see that it is found. */
export async function runSeed(seed: number, nodes = 1, plant: (world: World) => void = () => undefined): Promise<Outcome> {
  const time = new VirtualTime(seed);
  return within(time, async () => {
    const world = new World(time, { ...swarm(time), ...(nodes === 1 ? ALONE : clustered(time, nodes)) });
    plant(world);
    world.start();
    const clients = Array.from({ length: 2 + time.random.below(4) }, (_, i) => world.client(`user${i}`));
    const channels = Array.from({ length: 1 + time.random.below(2) }, (_, i) => `room${i}`);
    let published = 0;
    let isStorm = true;
    for (const { client, checker } of clients) {
      for (const channel of channels) {
        const subscription = client.subscribe(channel, { since: { ts: 0 } });
        subscription.on('message', (message) => {
          checker.heard(channel, message.serverSeq, String(message.body));
          world.causality.heard(message);
          const { position } = subscription;
          if (time.random.chance(0.1) && position !== null) client.seen(channel, position);
        });
      }
      const publish = (n: number): void => {
        if (!isStorm) return;
        const channel = time.random.pick(channels);
        const body = `${checker.name}:${n}`;
        published += 1;
        world.causality.publishes(body, checker.heardOf(channel));
        client.publish(channel, body).then(
          ({ serverSeq }) => checker.acknowledged(channel, body, serverSeq),
          (error: Error) => world.problems.add(`${checker.name}: publish ${body}: ${error.message}`),
        );
        time.plan(null, time.random.below(400), () => publish(n + 1));
      };
      time.plan(null, time.random.below(500), () => publish(0));
      // Who comes late has everything before still to get.
      const late = time.random.chance(0.3) ? time.random.below(STORM_MS) : 0;
      time.plan(null, late, () => void client.connect().catch(() => undefined));
    }
    await time.run(STORM_MS, world.afterStep);
    isStorm = false;
    Object.assign(world.faults, CALM);
    await time.run(CALM_MS, world.afterStep);
    for (const { client, checker } of clients) {
      if (client.pendingPublishes > 0) world.problems.add(`${checker.name}: ${client.pendingPublishes} publishes have no answer`);
    }
    world.finish(clients.map(({ checker }) => checker));
    for (const { client } of clients) client.close();
    return { problems: world.problems.found, published, counts: world.counts };
  });
}

const CALM: Partial<Faults> = { slowMs: 0, failing: 0, crashing: 0, lifeMs: 0, drainMs: 0, deaf: 0, cutOffMs: 0 };
const ALONE = { nodes: 1, cutOffMs: 0, sticky: false, skewMs: 0, deaf: 0 };

/** Some runs are without some kinds of faults: what hides a bug in one lets it out in another. */
function swarm({ random }: VirtualTime): Omit<Faults, keyof typeof ALONE> {
  return {
    slowMs: random.chance(0.5) ? random.pick([5, 50, 1000, 3000]) : 0,
    failing: random.chance(0.5) ? random.pick([0.01, 0.1, 0.3]) : 0,
    crashing: random.chance(0.5) ? random.pick([0.002, 0.01]) : 0,
    lifeMs: random.chance(0.7) ? random.pick([200, 1000, 5000]) : 0,
    drainMs: random.chance(0.3) ? random.pick([3000, 8000]) : 0,
    cold: random.chance(0.5),
  };
}

/** What can happen to several nodes besides. */
function clustered({ random }: VirtualTime, nodes: number): typeof ALONE {
  return {
    nodes,
    cutOffMs: random.chance(0.5) ? random.pick([1000, 4000]) : 0,
    deaf: random.chance(0.5) ? random.pick([0.05, 0.5]) : 0,
    sticky: random.chance(0.5),
    skewMs: random.chance(0.5) ? 2000 : 0,
  };
}
