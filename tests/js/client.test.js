import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, ModelRefused, ServerProblem } from "../../app/static/js/client.js";

/**
 * A client whose server answers `body` and takes 40 ms; what it was asked is kept.
 * @param {object} body
 */
function answering(body) {
  const asked = [];
  let now = 0;
  const fetch = async (url, options) => {
    asked.push({ url, body: options.body });
    now += 40;
    return Response.json(body);
  };
  return { client: new Client({ fetch, now: () => now }), asked };
}

const QUESTION = { model: "shoes", sketch: "s" };

test("a translation becomes a data URL for each latent, with latency", async () => {
  const images = [{ seed: 3, z: [1], png: "QUJD" }, { seed: null, z: [2], png: "QUJE", realism: "QUJG" }];
  const { client, asked } = answering({ model: "shoes", images });
  const request = { ...QUESTION, latents: [{ seed: 3 }, { z: [2] }] };
  assert.deepEqual(await client.translate(request), {
    pictures: [
      { z: [1], url: "data:image/png;base64,QUJD", realism: "" },
      { z: [2], url: "data:image/png;base64,QUJE", realism: "data:image/png;base64,QUJG" },
    ],
    elapsedMs: 40,
  });
  const sent = { ...request, stream: client.stream };
  assert.deepEqual(asked.map(({ url, body }) => [url, JSON.parse(body)]), [["/api/v1/translate", sent]]);
});

test("a walk becomes pictures in their order", async () => {
  const { client, asked } = answering({ frames: [{ z: [0], png: "QQ==" }, { z: [1], png: "Qg==" }] });
  const walk = { ...QUESTION, from: { seed: 1 }, to: { z: [1] }, steps: 2 };
  assert.deepEqual(await client.interpolate(walk), [
    { z: [0], url: "data:image/png;base64,QQ==", realism: "" },
    { z: [1], url: "data:image/png;base64,Qg==", realism: "" },
  ]);
  assert.deepEqual([asked[0].url, JSON.parse(asked[0].body)], ["/api/v1/interpolate", walk]);
});

test("seeds far apart are asked for by the first of them", async () => {
  const { client, asked } = answering({ seeds: [7, 19, 11] });
  assert.deepEqual(await client.seeds("shoes", 7, 3), [7, 19, 11]);
  assert.deepEqual(asked.map(({ url, body }) => [url, JSON.parse(body)]), [
    ["/api/v1/seeds", { model: "shoes", seed: 7, count: 3 }],
  ]);
});

test("a photo is sent as a file and becomes a z", async () => {
  const { client, asked } = answering({ z: [0.5, -1] });
  assert.deepEqual(await client.encode("shoes", new Blob(["photo"])), [0.5, -1]);
  assert.equal(asked[0].url, "/api/v1/encode");
  assert.equal(asked[0].body.get("model"), "shoes");
  assert.equal(await asked[0].body.get("photo").text(), "photo");
});

for (const [name, fetch, message, passing] of [
  ["no network", async () => Promise.reject(new TypeError("fetch failed")), "The server cannot be reached.", true],
  ["a busy server", async () => new Response("", { status: 503 }), "The server is busy.", true],
  ["a refusal", async () => Response.json({ detail: "Too large." }, { status: 413 }), "Too large.", false],
  ["a page in between", async () => new Response("<p>", { status: 500 }), "The server answered with status 500.", false],
]) {
  test(`${name} is told in plain words`, async () => {
    await assert.rejects(new Client({ fetch }).models(), (problem) => {
      assert.ok(problem instanceof ServerProblem);
      assert.deepEqual([problem.message, problem.passing], [message, passing]);
      return true;
    });
  });
}

test("a busy server says when to ask again", async () => {
  const fetch = async () => new Response("", { status: 503, headers: { "Retry-After": "7" } });
  await assert.rejects(new Client({ fetch }).models(), { passing: true, retryAfterMs: 7_000 });
});

test("a refusal is a sentence, also where the server begins it with a small letter", async () => {
  const fetch = async () => Response.json({ detail: "the image is not a picture." }, { status: 400 });
  await assert.rejects(new Client({ fetch }).openSketch(new Blob()), { message: "The image is not a picture." });
});

test("a model that the server has no more is told from other refusals", async () => {
  const refused = (errors) => {
    const fetch = async () => Response.json({ detail: "The request is not valid.", errors }, { status: 422 });
    return new Client({ fetch }).seeds("shoes", 0, 4).catch((problem) => problem);
  };
  const gone = await refused([{ pointer: "#/model", received: "'shoes'", message: "Input should be one of: hats" }]);
  assert.ok(gone instanceof ModelRefused);
  assert.deepEqual([gone.message, gone.passing], ["Input should be one of: hats", false]);
  const other = await refused([{ pointer: "#/count", received: "4", message: "Input should be less than 4" }]);
  assert.ok(!(other instanceof ModelRefused));
});
