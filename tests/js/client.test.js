import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, ModelNotFound, ServerProblem } from "../../app/static/js/client.js";

/**
 * A client whose server answers `body` after 40 ms, and the requests that it sent.
 * @param {object} body
 */
function answering(body) {
  const sent = [];
  let now = 0;
  const fetch = async (url, options) => {
    sent.push({ url, body: options.body });
    now += 40;
    return Response.json(body);
  };
  return { client: new Client({ fetch, now: () => now }), sent };
}

const REQUEST = { model: "shoes", sketch: "s" };

test("a translation becomes a data URL for each latent, with latency", async () => {
  const images = [{ seed: 3, z: [1], png: "QUJD" }, { seed: null, z: [2], png: "QUJE", realism: "QUJG" }];
  const { client, sent } = answering({ model: "shoes", images });
  const request = { ...REQUEST, latents: [{ seed: 3 }, { z: [2] }] };
  assert.deepEqual(await client.translate(request), {
    pictures: [
      { z: [1], url: "data:image/png;base64,QUJD", realism: "" },
      { z: [2], url: "data:image/png;base64,QUJE", realism: "data:image/png;base64,QUJG" },
    ],
    elapsedMs: 40,
  });
  const body = { ...request, stream: client.stream };
  assert.deepEqual(sent.map(({ url, body }) => [url, JSON.parse(body)]), [["/api/v1/translate", body]]);
});

test("an interpolation becomes pictures in order", async () => {
  const { client, sent } = answering({ frames: [{ z: [0], png: "QQ==" }, { z: [1], png: "Qg==" }] });
  const request = { ...REQUEST, from: { seed: 1 }, to: { z: [1] }, steps: 2 };
  assert.deepEqual(await client.interpolate(request), [
    { z: [0], url: "data:image/png;base64,QQ==", realism: "" },
    { z: [1], url: "data:image/png;base64,Qg==", realism: "" },
  ]);
  assert.deepEqual([sent[0].url, JSON.parse(sent[0].body)], ["/api/v1/interpolate", request]);
});

test("seeds far apart are requested by the first of them", async () => {
  const { client, sent } = answering({ seeds: [7, 19, 11] });
  assert.deepEqual(await client.seeds("shoes", 7, 3), [7, 19, 11]);
  assert.deepEqual(sent.map(({ url, body }) => [url, JSON.parse(body)]), [
    ["/api/v1/seeds", { model: "shoes", seed: 7, count: 3 }],
  ]);
});

test("a photo is sent as a file and becomes a z", async () => {
  const { client, sent } = answering({ z: [0.5, -1] });
  assert.deepEqual(await client.encode("shoes", new Blob(["photo"])), [0.5, -1]);
  assert.equal(sent[0].url, "/api/v1/encode");
  assert.equal(sent[0].body.get("model"), "shoes");
  assert.equal(await sent[0].body.get("photo").text(), "photo");
});

for (const [name, fetch, message, temporary] of [
  ["no network", async () => Promise.reject(new TypeError("fetch failed")), "The server cannot be reached.", true],
  ["a busy server", async () => new Response("", { status: 503 }), "The server is busy.", true],
  ["a refusal", async () => Response.json({ detail: "Too large." }, { status: 413 }), "Too large.", false],
  ["a page in between", async () => new Response("<p>", { status: 500 }), "The server answered with status 500.", false],
]) {
  test(`${name} is a plain sentence`, async () => {
    await assert.rejects(new Client({ fetch }).models(), (problem) => {
      assert.ok(problem instanceof ServerProblem);
      assert.deepEqual([problem.message, problem.temporary], [message, temporary]);
      return true;
    });
  });
}

test("the delay of a busy server is read", async () => {
  const fetch = async () => new Response("", { status: 503, headers: { "Retry-After": "7" } });
  await assert.rejects(new Client({ fetch }).models(), { temporary: true, retryAfterMs: 7_000 });
});

test("an error message starts with a capital letter, also if the server's does not", async () => {
  const fetch = async () => Response.json({ detail: "the image is not a picture." }, { status: 400 });
  await assert.rejects(new Client({ fetch }).openSketch(new Blob()), { message: "The image is not a picture." });
});

test("an opened picture comes with what was noticed about it", async () => {
  const notices = [{ name: "areas", message: "The picture has areas of colour." }];
  const opened = async (headers) => new Client({ fetch: async () => new Response("png", { headers }) }).openSketch(new Blob());
  assert.equal((await opened({ "X-Notices": JSON.stringify(notices) })).notice, "The picture has areas of colour.");
  assert.equal((await opened({})).notice, "");
  assert.equal(await (await opened({})).picture.text(), "png");
});

test("a missing model has its own error", async () => {
  const failed = (errors) => {
    const fetch = async () => Response.json({ detail: "The request is not valid.", errors }, { status: 422 });
    return new Client({ fetch }).seeds("shoes", 0, 4).catch((problem) => problem);
  };
  const gone = await failed([{ pointer: "#/model", received: "'shoes'", message: "Input should be one of: hats" }]);
  assert.ok(gone instanceof ModelNotFound);
  assert.deepEqual([gone.message, gone.temporary], ["Input should be one of: hats", false]);
  const other = await failed([{ pointer: "#/count", received: "4", message: "Input should be less than 4" }]);
  assert.ok(!(other instanceof ModelNotFound));
});

test("a connection that ends within the body can be tried again", async () => {
  const fetch = async () => new Response(new ReadableStream({ start: (body) => body.error(new TypeError("lost")) }));
  const requests = [(client) => client.models(), (client) => client.openSketch(new Blob()), (client) => client.z("shoes", 1)];
  for (const request of requests) {
    const isTemporary = (problem) => problem instanceof ServerProblem && problem.temporary;
    await assert.rejects(request(new Client({ fetch })), isTemporary);
  }
});

test("an answer of another form is a problem of the server, which may pass", async () => {
  const bodies = ["<html>", "{}", "null", '{"images": []}', '{"models": {}}'];
  for (const body of bodies) {
    const client = new Client({ fetch: async () => new Response(body) });
    const isUnreadable = (problem) => problem instanceof ServerProblem && problem.temporary && /cannot read/.test(problem.message);
    await assert.rejects(client.models(), isUnreadable);
    await assert.rejects(client.translate({ ...REQUEST, latents: [{ seed: 1 }] }), isUnreadable);
  }
});
