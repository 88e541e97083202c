// @tus/server with @tus/file-store, as its documentation shows it.
// Usage: node peer.mjs MODULES FOLDER [SOCKET]; otherwise on a free port
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, directory, socket] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Server } = await load("@tus/server");
const { FileStore } = await load("@tus/file-store");

const tus = new Server({ path: "/files", datastore: new FileStore({ directory }) });
const server = createServer((request, answer) => tus.handle(request, answer));
server.listen(socket ? { path: socket } : { host: "127.0.0.1", port: 0 }, () => {
	console.log(`ready: port ${server.address().port ?? 0}`);
});
