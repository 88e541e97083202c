// A TCP proxy that stands between a client and the daemon, and cuts connections after a
// random number of bytes, by FIN or by RST, on either side, or slows them down.
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

// A small repeatable generator (xorshift32) of numbers in [0, 1).
export function randomFrom(seed) {
  let x = seed | 1
  return () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) / 2 ** 32
  }
}

// Copies one direction until its end or until `budget` bytes passed; false when cut.
async function copy(from, to, budget, delay) {
  for await (const piece of from) {
    const part = piece.subarray(0, budget.left)
    budget.left -= part.length
    if (!to.write(part)) await new Promise((r) => to.once('drain', r).once('close', r))
    if (budget.left === 0) return false
    if (delay) await sleep(delay)
  }
  to.end()
  return true
}

// Options: `seed`; `least` and `most` bytes until a connection is cut (never without
// them); `delay`: milliseconds between pieces of at most 64 KiB.
export async function cuttingProxy(targetPort, { seed = 1, least, most, delay } = {}) {
  const random = randomFrom(seed)
  const sockets = new Set()
  const proxy = { cuts: 0 }
  const end = (socket, reset) => {
    if (reset) socket.resetAndDestroy()
    else socket.destroy()
  }
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const target = net.connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true })
    const budget = { left: most ? Math.floor(least + random() * (most - least)) : Infinity }
    const resets = [random() < 0.5, random() < 0.5]
    const finish = (whole) => {
      if (whole) return
      proxy.cuts++
      end(client, resets[0])
      end(target, resets[1])
    }
    for (const socket of [client, target]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => [client, target].forEach((s) => s.destroy()))
    }
    copy(client, target, budget, delay).then(finish, () => target.destroy())
    copy(target, client, budget, 0).then(finish, () => client.destroy())
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  proxy.port = server.address().port
  proxy.close = () => {
    server.close()
    sockets.forEach((socket) => socket.destroy())
  }
  return proxy
}
