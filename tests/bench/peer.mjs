// @tus/server with @tus/file-store, as its documentation shows it.
// Usage: node peer.mjs MODULES FOLDER
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, directory] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Server } = await load("@tus/server");
const { FileStore } = await load("@tus/file-store");

const tus = new Server({ path: "/files", datastore: new FileStore({ directory }) });
const server = createServer((request, answer) => tus.handle(request, answer));
server.listen(0, "127.0.0.1", () => {
	console.log(`ready: port ${server.address().port}`);
});
