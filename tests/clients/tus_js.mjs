// tus-js-client against the daemon: every way of uploading that it has.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import * as tus from 'tus-js-client'
import { assertSame, endpoint, folder, head, idOf, inMount, placeOf, randomFile, run } from './support.mjs'

// Uploads to the end; resolves to the tus.Upload.
function upload(source, options, prepare = (u) => u.start()) {
  return new Promise((resolve, reject) => {
    const it = new tus.Upload(source, {
      endpoint,
      retryDelays: null,
      onError: reject,
      onSuccess: () => resolve(it),
      ...options,
    })
    prepare(it)
  })
}

const named = (filename, more = {}) => ({ metadata: { filename, ...more } })

async function a_file_in_one_stream() {
  const file = randomFile('one-stream.bin', 5_000_001)
  const { url } = await upload(fs.createReadStream(file), named('one-stream.bin'))
  assert.equal(placeOf(url), inMount('complete', 'one-stream.bin'))
  await assertSame(url, file)
}

async function a_file_in_chunks() {
  const file = randomFile('chunks.bin', 1_000_003)
  const accepted = []
  const { url } = await upload(fs.createReadStream(file), {
    ...named('chunks.bin'),
    chunkSize: 99_991,
    onChunkComplete: (size, sum) => accepted.push(sum),
  })
  assert.equal(accepted.length, 11)
  assert.equal(accepted.at(-1), 1_000_003)
  await assertSame(url, file)
}

async function a_stream_of_unknown_length() {
  const file = randomFile('deferred.bin', 700_001)
  const stream = Readable.from(fs.createReadStream(file, { highWaterMark: 10_000 }), {
    objectMode: false,
  })
  const { url } = await upload(stream, {
    ...named('deferred.bin'),
    chunkSize: 65_536,
    uploadLengthDeferred: true,
  })
  await assertSame(url, file)
}

async function an_empty_file() {
  const file = randomFile('empty.bin', 0)
  const { url } = await upload(fs.createReadStream(file), named('empty.bin'))
  assert.equal(placeOf(url), inMount('complete', 'empty.bin'))
  await assertSame(url, file)
}

async function bytes_that_come_with_the_creation() {
  const file = randomFile('with-creation.bin', 300_000)
  const { url } = await upload(fs.createReadStream(file), {
    ...named('with-creation.bin'),
    uploadDataDuringCreation: true,
  })
  await assertSame(url, file)
}

async function a_PATCH_in_the_guise_of_a_POST() {
  const file = randomFile('override.bin', 100_000)
  const methods = []
  const { url } = await upload(fs.createReadStream(file), {
    ...named('override.bin'),
    chunkSize: 40_000,
    overridePatchMethod: true,
    onBeforeRequest: (request) => methods.push(request.getMethod()),
  })
  assert.deepEqual(methods, ['POST', 'POST', 'POST', 'POST'])
  await assertSame(url, file)
}

async function names_of_any_script_and_folders() {
  const file = randomFile('name.bin', 1000)
  const name = 'Größe ✓ 東京.txt'
  const { url } = await upload(
    fs.createReadStream(file),
    named(name, { relativePath: `photos/2026/${name}` }),
  )
  assert.equal(placeOf(url), inMount('complete', 'photos', '2026', name))
  await assertSame(url, file)
}

async function parallel_parts_become_one_file() {
  const file = randomFile('parallel.bin', 4_000_007)
  const { url } = await upload(fs.createReadStream(file), {
    ...named('parallel.bin'),
    parallelUploads: 4,
  })
  assert.equal((await head(url)).headers.get('upload-concat').startsWith('final;'), true)
  assert.equal(placeOf(url), inMount('complete', 'parallel.bin'))
  await assertSame(url, file)
}

// Starts an upload and aborts it after the first chunk that is accepted once it is `ready`.
function begin(file, { ready = () => true, ...options }) {
  return new Promise((resolve, reject) => {
    const it = new tus.Upload(fs.createReadStream(file), {
      endpoint,
      retryDelays: null,
      chunkSize: 100_000,
      onError: reject,
      onSuccess: () => reject(new Error('it was not aborted in time')),
      onChunkComplete: () => ready() && it.abort().then(() => resolve(it), reject),
      ...options,
    })
    it.start()
  })
}

// A second client finds the upload in the URL storage and carries on.
async function resumeFrom(urlStorage, file, options) {
  let sent = 0
  const done = await upload(
    fs.createReadStream(file),
    {
      chunkSize: 100_000,
      urlStorage,
      ...options,
      onChunkComplete: (size) => {
        sent += size
      },
    },
    async (it) => {
      const previous = await it.findPreviousUploads()
      assert.equal(previous.length, 1)
      it.resumeFromPreviousUpload(previous[0])
      it.start()
    },
  )
  return { url: done.url, sent }
}

async function an_aborted_upload_is_resumed_by_its_stored_URL() {
  const file = randomFile('resume.bin', 1_500_000)
  const urlStorage = new tus.FileUrlStorage(path.join(folder, 'urls.json'))
  const first = await begin(file, { ...named('resume.bin'), urlStorage })
  const offset = Number((await head(first.url)).headers.get('upload-offset'))
  assert(offset >= 100_000 && offset < 1_500_000, `offset ${offset}`)
  assert.equal(fs.statSync(inMount('incoming', 'resume.bin')).size, offset)
  const { url, sent } = await resumeFrom(urlStorage, file, named('resume.bin'))
  assert.equal(url, first.url)
  assert.equal(sent, 1_500_000 - offset)
  await assertSame(url, file)
}

async function parallel_parts_are_resumed_by_their_stored_URLs() {
  const file = randomFile('parallel-resume.bin', 3_000_000)
  const urls = path.join(folder, 'parallel-urls.json')
  const urlStorage = new tus.FileUrlStorage(urls)
  const options = { ...named('parallel-resume.bin'), parallelUploads: 3 }
  // The client stores the URLs when it has those of all parts.
  const ready = () => fs.existsSync(urls) && fs.readFileSync(urls, 'utf8').includes('parallelUploadUrls')
  await begin(file, { ...options, urlStorage, ready })
  const { url, sent } = await resumeFrom(urlStorage, file, options)
  assert(sent < 3_000_000, `all ${sent} bytes were sent again`)
  await assertSame(url, file)
}

async function a_terminated_upload_is_gone() {
  const file = randomFile('terminate.bin', 1_000_000)
  const it = await begin(file, named('terminate.bin'))
  assert(fs.existsSync(inMount('incoming', 'terminate.bin')))
  await it.abort(true)
  assert.equal((await head(it.url)).status, 410)
  assert(!fs.existsSync(inMount('incoming', 'terminate.bin')))
}

async function a_finished_upload_can_be_terminated() {
  const file = randomFile('finished.bin', 1000)
  const { url } = await upload(fs.createReadStream(file), named('finished.bin'))
  await tus.Upload.terminate(url)
  assert.equal((await head(url)).status, 410)
  assert(!fs.existsSync(inMount('complete', 'finished.bin')))
  assert(!fs.readdirSync(inMount('by-id')).includes(idOf(url)))
}

await run([
  a_file_in_one_stream,
  a_file_in_chunks,
  a_stream_of_unknown_length,
  an_empty_file,
  bytes_that_come_with_the_creation,
  a_PATCH_in_the_guise_of_a_POST,
  names_of_any_script_and_folders,
  parallel_parts_become_one_file,
  an_aborted_upload_is_resumed_by_its_stored_URL,
  parallel_parts_are_resumed_by_their_stored_URLs,
  a_terminated_upload_is_gone,
  a_finished_upload_can_be_terminated,
])
