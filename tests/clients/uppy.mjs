// Uppy in headless Chromium, on a page of another origin: files and a folder are dropped
// on it, uploads are paused, resumed, and cut.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { chromium } from 'playwright-core'
import { cuttingProxy } from './cutting_proxy.mjs'
import { endpoint, folder, inMount, randomFile, run, server } from './support.mjs'

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname)
const types = { '.html': 'text/html', '.css': 'text/css', '.mjs': 'text/javascript' }
const CHROMIUM = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

// The page and Uppy's own files, from an origin of their own.
function servePage() {
  const site = http.createServer((request, response) => {
    const name = new URL(request.url, 'http://x').pathname
    const root = name === '/uppy.html' ? here : path.join(here, 'node_modules/uppy/dist')
    const file = path.join(root, path.basename(name))
    if (!fs.existsSync(file)) return response.writeHead(404).end()
    response.writeHead(200, { 'Content-Type': types[path.extname(file)] ?? 'text/plain' })
    fs.createReadStream(file).pipe(response)
  })
  return new Promise((resolve) => site.listen(0, '127.0.0.1', () => resolve(site)))
}

const site = await servePage()
const browser = await chromium.launchPersistentContext(path.join(folder, 'profile'), {
  executablePath: '/usr/bin/chromium',
  headless: true,
  args: CHROMIUM,
})

// A fresh page whose Uppy uploads to `target`.
async function open(target = endpoint) {
  const page = await browser.newPage()
  const problems = []
  page.on('pageerror', (error) => problems.push(error.message))
  const query = new URLSearchParams({ endpoint: target })
  await page.goto(`http://127.0.0.1:${site.address().port}/uppy.html?${query}`)
  await page.waitForFunction(() => window.uppy)
  return { page, problems }
}

// Drops files and folders of the disk on the page, as a person does with a mouse.
async function drop(page, files) {
  const area = await page.locator('.uppy-Dashboard-inner').boundingBox()
  const at = { x: area.x + area.width / 2, y: area.y + area.height / 2 }
  const data = { items: [], files, dragOperationsMask: 1 }
  const devtools = await page.context().newCDPSession(page)
  for (const type of ['dragEnter', 'dragOver', 'drop']) {
    await devtools.send('Input.dispatchDragEvent', { type, ...at, data })
  }
  await devtools.detach()
}

const hasFiles = (page, count) =>
  page.waitForFunction((n) => window.uppy.getFiles().length === n, count)

// Uploads all files; the URLs by the files' names.
async function uploadAll(page) {
  const result = await page.evaluate(async () => {
    const { successful, failed } = await window.uppy.upload()
    return {
      urls: successful.map((file) => [file.name, file.uploadURL]),
      failed: failed.map((file) => [file.name, String(file.error)]),
    }
  })
  assert.deepEqual(result.failed, [])
  return new Map(result.urls)
}

const same = (...files) => {
  const [first, ...others] = files.map((file) => fs.readFileSync(file))
  for (const other of others) assert(first.equals(other), `${files} differ`)
}

async function dropped_files_arrive_under_their_names() {
  const files = ['Ferien – Tag 1.bin', 'two.bin'].map((name) => randomFile(name, 2_345_678))
  const { page, problems } = await open()
  await drop(page, files)
  await hasFiles(page, 2)
  assert.equal((await uploadAll(page)).size, 2)
  for (const file of files) same(file, inMount('complete', path.basename(file)))
  assert.deepEqual(problems, [])
  await page.close()
}

async function a_dropped_folder_arrives_as_a_folder() {
  const names = ['a.bin', 'deeper/b.bin', 'deeper/still/c.bin']
  fs.mkdirSync(path.join(folder, 'album/deeper/still'), { recursive: true })
  for (const name of names) randomFile(path.join('album', name), 50_000)
  const { page } = await open()
  await drop(page, [path.join(folder, 'album')])
  await hasFiles(page, 3)
  await uploadAll(page)
  for (const name of names) {
    same(path.join(folder, 'album', name), inMount('complete', 'album', name))
  }
  await page.close()
}

async function an_upload_is_paused_and_resumed() {
  const file = randomFile('paused.bin', 6_000_000)
  const slow = await cuttingProxy(Number(new URL(server).port), { delay: 3 })
  const { page } = await open(endpoint.replace(server, `http://127.0.0.1:${slow.port}`))
  await drop(page, [file])
  await hasFiles(page, 1)
  const done = uploadAll(page)
  await page.waitForFunction(() => {
    const [only] = window.uppy.getFiles()
    return only.progress.bytesUploaded > 1_000_000
  })
  await page.evaluate(() => window.uppy.pauseAll())
  const size = () => fs.statSync(inMount('incoming', 'paused.bin')).size
  assert(size() < 6_000_000)
  await page.evaluate(() => window.uppy.resumeAll())
  await done
  same(file, inMount('complete', 'paused.bin'))
  await page.close()
  slow.close()
}

async function an_upload_survives_cut_connections() {
  const file = randomFile('cut.bin', 5_000_000)
  const proxy = await cuttingProxy(Number(new URL(server).port), {
    seed: 7,
    least: 300_000,
    most: 1_500_000,
  })
  const { page } = await open(endpoint.replace(server, `http://127.0.0.1:${proxy.port}`))
  await drop(page, [file])
  await hasFiles(page, 1)
  await uploadAll(page)
  assert(proxy.cuts > 0)
  same(file, inMount('complete', 'cut.bin'))
  await page.close()
  proxy.close()
}

try {
  await run([
    dropped_files_arrive_under_their_names,
    a_dropped_folder_arrives_as_a_folder,
    an_upload_is_paused_and_resumed,
    an_upload_survives_cut_connections,
  ])
} finally {
  await browser.close()
  site.close()
}
