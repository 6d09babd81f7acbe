/**
 * O-SWAPOFF: when the device has been taken away nothing holds an entry of it, and while it is there swapoff would find all that do (mm.md R0.2, R0.3).
 *
 * swapoff walks the address spaces on `init_mmlist`: one that holds an entry and is not there is passed over.
 */
import { Mm } from '../structs.ts';
import { firstOf, type Oracle } from './oracle.ts';
import { isOn } from './swap.ts';

export const swapoff: Oracle = {
  name: 'O-SWAPOFF',
  says: 'after swapoff nothing holds a swap entry; before it, all that do are on mmlist',
  check(census) {
    const { entries, mmlist, read, world, spec, frameOf } = census;
    const holds = entries.filter(({ swap }) => swap !== 0);
    if (isOn(census)) {
      if (mmlist.wrong !== undefined || read(mmlist.head) === 0) return undefined;
      const passed = holds.find(({ mm }) => !mmlist.entries.includes(mm.at + Mm.mmlist));
      return (
        passed &&
        `${passed.name()} holds swap entry ${passed.swap}, and ${passed.mm.name} is not on init_mmlist`
      );
    }
    if (holds[0]) return `${holds[0].name()} holds swap entry ${holds[0].swap} of a device that is gone`;
    return firstOf(spec.swapPages, (at) => {
      const page = read(world.swapCache + 4 * at);
      if (page !== 0) return `the swap cache has ${frameOf(page)?.name ?? 'a page'} of a device that is gone`;
      const counted = read(world.swapMap + 4 * at);
      return counted === 0 ? undefined : `swap_map[${at}] is ${counted}, and the device is gone`;
    });
  },
};
