// What the client tests share. Arguments of each: SERVER (http://host:port), MOUNTPOINT
// and an empty folder for its own files.
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

export const [server, mountpoint, folder] = process.argv.slice(2)
export const endpoint = `${server}/files/`
export const inMount = (...names) => path.join(mountpoint, ...names)

// Runs each function of `tests`; their names are sentences.
export async function run(tests) {
  for (const test of tests) {
    console.log(`- ${test.name.replaceAll('_', ' ')}`)
    await test()
  }
}

export function randomFile(name, size) {
  const file = path.join(folder, name)
  fs.writeFileSync(file, crypto.randomBytes(size))
  return file
}

export const idOf = (url) => url.slice(url.lastIndexOf('/') + 1)

// Where the upload is now, through by-id/.
export const placeOf = (url) => fs.realpathSync(inMount('by-id', idOf(url)))

// The upload's bytes are the file's at both doors.
export async function assertSame(url, file) {
  const expected = fs.readFileSync(file)
  const response = await fetch(url)
  assert.equal(response.status, 200)
  assert(expected.equals(Buffer.from(await response.arrayBuffer())), 'GET differs')
  assert(expected.equals(fs.readFileSync(placeOf(url))), 'the mount differs')
}

export async function head(url) {
  return fetch(url, { method: 'HEAD', headers: { 'Tus-Resumable': '1.0.0' } })
}
