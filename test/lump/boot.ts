/** A kernel on a simulated host, for tests. */
import { Lump, type LumpOptions } from '../../src/lump/lump.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';

export function boot(options: Omit<LumpOptions, 'host'> = {}): { lump: Lump; host: SimulatedHost } {
  const host = new SimulatedHost({ seed: 1 });
  return { lump: new Lump({ host, ...options }), host };
}
