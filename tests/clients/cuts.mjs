// tus-js-client through a proxy that cuts its connections again and again: what arrives
// is what was sent.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import * as tus from 'tus-js-client'
import { cuttingProxy } from './cutting_proxy.mjs'
import { assertSame, endpoint, idOf, placeOf, randomFile, run, server } from './support.mjs'

const SIZE = 3_000_000
const seed = Number(process.env.SEED ?? (Date.now() % 1_000_000))
console.log(`SEED=${seed}`)

async function through(proxy, name, options) {
  const file = randomFile(name, SIZE)
  const url = await new Promise((resolve, reject) => {
    const it = new tus.Upload(fs.createReadStream(file), {
      endpoint: endpoint.replace(server, `http://127.0.0.1:${proxy.port}`),
      metadata: { filename: name },
      retryDelays: Array(1000).fill(5),
      onError: reject,
      onSuccess: () => resolve(it.url),
      ...options,
    })
    it.start()
  })
  const direct = endpoint + idOf(url)
  assert(placeOf(direct).includes('/complete/'))
  await assertSame(direct, file)
}

async function withCuts(least, most, work) {
  const proxy = await cuttingProxy(Number(new URL(server).port), { seed, least, most })
  await work(proxy)
  proxy.close()
  console.log(`  ${proxy.cuts} connections were cut`)
  return proxy.cuts
}

async function one_stream_that_is_cut_often() {
  const cuts = await withCuts(2_000, 400_000, (proxy) => through(proxy, 'cut.bin', {}))
  assert(cuts >= 5, `only ${cuts} cuts`)
}

async function chunks_whose_answers_get_lost() {
  await withCuts(500, 150_000, (proxy) => through(proxy, 'chunk.bin', { chunkSize: 50_000 }))
}

async function four_uploads_at_once() {
  await withCuts(2_000, 300_000, (proxy) =>
    Promise.all([1, 2, 3, 4].map((n) => through(proxy, `at-once-${n}.bin`, {}))),
  )
}

async function parallel_parts_that_are_cut() {
  await withCuts(5_000, 400_000, (proxy) =>
    through(proxy, 'parts.bin', { parallelUploads: 3 }),
  )
}

await run([
  one_stream_that_is_cut_often,
  chunks_whose_answers_get_lost,
  four_uploads_at_once,
  parallel_parts_that_are_cut,
])
