// An upload by tus-js-client that goes on while the daemon is stopped, killed and started
// again: no offset that was acknowledged is ever taken back. The file `round` in the
// folder tells how far it may go: a megabyte more in each round.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as tus from 'tus-js-client'
import { cuttingProxy } from './cutting_proxy.mjs'
import { assertSame, endpoint, folder, idOf, randomFile, server } from './support.mjs'

const file = randomFile('restarts.bin', 6_000_000)
const slow = await cuttingProxy(Number(new URL(server).port), { delay: 10 })
let acknowledged = 0
let failures = 0

const allowed = () => (Number(fs.readFileSync(path.join(folder, 'round'))) + 1) * 1_000_000

const url = await new Promise((resolve, reject) => {
  const upload = new tus.Upload(fs.createReadStream(file), {
    endpoint: endpoint.replace(server, `http://127.0.0.1:${slow.port}`),
    metadata: { filename: 'restarts.bin' },
    chunkSize: 300_000,
    retryDelays: Array(10_000).fill(50),
    onBeforeRequest: async () => {
      while (acknowledged >= allowed()) await sleep(10)
    },
    onShouldRetry: () => {
      failures++
      return true
    },
    onAfterResponse: (request, response) => {
      const offset = Number(response.getHeader('Upload-Offset') ?? acknowledged)
      if (response.getStatus() < 300) {
        assert(offset >= acknowledged, `${offset} after ${acknowledged}`)
        acknowledged = offset
      }
    },
    onError: reject,
    onSuccess: () => resolve(upload.url),
  })
  upload.start()
})
slow.close()
assert(failures > 0, 'the client noticed nothing')
await assertSame(endpoint + idOf(url), file)
console.log(`- ${failures} requests failed, and nothing was lost`)
