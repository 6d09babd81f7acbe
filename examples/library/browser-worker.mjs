// One CPU of the page. Import maps do not reach into workers: the page says where the library lies.
addEventListener('message', async ({ data }) => {
  const { Machine, mutex, rcu, useLock } = await import(data.library);
  const cpu = new Machine(data.machine).attach(data.id);
  const { isa } = cpu;
  const lock = useLock(cpu, mutex, data.mutex);
  const readers = useLock(cpu, rcu, data.rcu);
  for (let times = 0; times < data.times; times += 1) {
    lock.acquire(data.mutex.lock);
    isa.write(data.counter, isa.read(data.counter) + 1);
    lock.release(data.mutex.lock);
    const section = readers.readLock(data.rcu.lock);
    isa.load(data.counter);
    readers.readUnlock(data.rcu.lock, section);
  }
  readers.synchronize(data.rcu.lock);
  postMessage('done');
});
