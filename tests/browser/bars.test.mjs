// How the dashboard draws what it knows, and what a hand does to it, in a real browser, from events that a test makes up.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { event, openPicture, startBrowser } from "./lib.mjs";

let browser;

before(async () => { browser = await startBrowser(); });
after(() => browser.close());

const openWith = (t, events, options) => openPicture(t, browser, events, options);

// Pauses a picture at the moment t, which is that of the last event.
async function pauseAt(page, t) {
  await page.waitForFunction(t => view.now === t, t);
  await page.click("#pause");
}

test("keys bring the bar that they choose into the picture", async t => {
  const spans = [[1, 0, 0, 20, 20, 21, 200, 0], [2, 0, 0, 55, 55, 59, 200, 0], [3, 0, 1, 57, 57, 58, 200, 0]];
  const page = await openWith(t, [event({}), event({ t: 60, spans })]);
  const chosen = () => page.evaluate(() => {
    const bar = view.chosen.bars.run.rect.getBoundingClientRect(), clip = $("clip").getBoundingClientRect();
    return [view.chosen.id, bar.right > clip.left && bar.left < clip.right];
  });

  await pauseAt(page, 60);
  await page.focus("#chart");
  for (const [key, id] of [["ArrowLeft", 3], ["ArrowUp", 2], ["ArrowLeft", 1], ["ArrowRight", 2], ["ArrowDown", 3]]) {
    await page.keyboard.press(key);
    assert.deepEqual(await chosen(), [id, true], key);
  }
});
