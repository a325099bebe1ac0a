// What somebody does with SplitDim's page, in Chromium, against a server that runs: see run.sh.
// Arguments: the URL of a server in mode `local`, the URL of one whose store is away, a folder for screenshots.
'use strict';

const assert = require('node:assert/strict');
const {chromium} = require('playwright-core');

const [url, storeless, pictures] = process.argv.slice(2);
const DESK = {width: 1280, height: 860};
const PHONE = {width: 360, height: 640};
const HTML_NAME = '<img src=x onerror="window.broken=1"><b>Bob</b>';
const LONG_NAME = 'Konstantinopolitanischerdudelsackpfeifenmachergeselle'.repeat(2);

const text = (page, id) => page.locator(`#${id}`).innerText();
const rows = (page) => page.locator('#balances-rows tr').evaluateAll((all) =>
  all.map((row) => [...row.children].map((cell) => cell.innerText)));
const payments = (page) => page.locator('#settle-list li').allInnerTexts().then((all) =>
  all.map((line) => line.replace(/\s+/g, ' ')));
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.value);
const idle = (page) => page.locator('body:not([aria-busy])').waitFor();
const until = (page, id, part) => page.locator(`#${id}`).filter({hasText: part}).waitFor();

async function api(path, body) {
  const init = body && {method: 'POST', body: JSON.stringify(body)};
  const answer = await fetch(url + path, init);
  assert.equal(answer.status, 200, path);
  return answer.text();
}

// Types and presses keys only, from wherever the focus is.
async function transferByKeyboard(page, sender, receiver, amount) {
  assert.equal(await focused(page), 'sender');
  await page.keyboard.type(sender);
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'receiver');
  await page.keyboard.type(receiver);
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'amount');
  await page.keyboard.type(amount);
  await page.keyboard.press('Enter');
}

const tests = {
  async 'the answers carry a policy that allows no inline script'() {
    for (const [path, type] of [['/', 'text/html'], ['/splitdim.js', 'text/javascript'], ['/splitdim.css', 'text/css']]) {
      const {status, headers} = await fetch(url + path);
      assert.equal(status, 200);
      assert.ok(headers.get('content-type').startsWith(type), path);
      assert.equal(headers.get('cache-control'), 'no-cache');
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
    }
    const policy = (await fetch(url)).headers.get('content-security-policy');
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|http/);
  },

  async 'a transfer, the payments and a reset by keyboard alone'(page) {
    await until(page, 'balances-empty', 'Nobody');
    await page.keyboard.press('Tab');
    await transferByKeyboard(page, 'a', 'b', '1');
    await until(page, 'status', 'a paid 1 for b');
    await transferByKeyboard(page, 'b', 'c', '1');
    await until(page, 'status', 'b paid 1 for c');
    // The lab's own example.
    assert.equal(await api('/api/accounts'), '[{"holder":"a","balance":1},{"holder":"b","balance":0},{"holder":"c","balance":-1}]');
    assert.deepEqual(await rows(page), [['a', '+1'], ['b', '0'], ['c', '\u22121']]);

    for (let tabs = 0; await focused(page) !== 'settle-button'; tabs++) {
      assert.ok(tabs < 10, 'the button is reached');
      await page.keyboard.press('Tab');
    }
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, 'solid', 'the focus is seen');
    await page.keyboard.press('Enter');
    await until(page, 'status', '1 payment settles everything');
    assert.deepEqual(await payments(page), ['c pays a 1']);
    await page.screenshot({path: `${pictures}/desk.png`});

    // Reset: Escape and the first Enter keep everything.
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'reset-button');
    for (const key of ['Escape', 'Enter']) {
      await page.keyboard.press('Enter');
      assert.equal(await focused(page), 'cancel');
      await page.keyboard.press(key);
      assert.equal(await focused(page), 'reset-button');
    }
    assert.equal((await rows(page)).length, 3);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'reset');
    await page.screenshot({path: `${pictures}/reset.png`});
    await page.keyboard.press('Enter');
    await until(page, 'status', 'Everything is forgotten');
    assert.equal(await api('/api/accounts'), '[]');
    await until(page, 'balances-empty', 'Nobody');
    assert.deepEqual(await payments(page), []);
  },

  async 'payments that are shown follow the next transfer'(page) {
    await api('/api/transfer', {sender: 'a', receiver: 'b', amount: 5});
    await page.click('#settle-button');
    await until(page, 'settle-list', 'b pays a');
    await page.click('#sender');
    await transferByKeyboard(page, 'b', 'a', '5');
    await until(page, 'status', 'b paid 5 for a');
    await idle(page);
    assert.deepEqual(await payments(page), []);
    assert.equal(await text(page, 'settle-hint'), 'Nobody owes anything.');
    await transferByKeyboard(page, 'c', 'a', '2');
    await until(page, 'status', 'c paid 2 for a');
    await idle(page);
    assert.deepEqual(await payments(page), ['a pays c 2']);
  },

  async 'names with HTML in them are text'(page) {
    await page.click('#sender');
    await transferByKeyboard(page, HTML_NAME, 'Ann', '3');
    await until(page, 'status', HTML_NAME);
    assert.ok((await rows(page)).some(([who]) => who === HTML_NAME));
    await page.click('#settle-button');
    await until(page, 'settle-list', 'pays');
    assert.deepEqual(await payments(page), [`Ann pays ${HTML_NAME} 3`]);
    assert.equal(await page.locator('main img, main b').count(), 0);
    assert.equal(await page.evaluate(() => window.broken), undefined);
  },

  async 'what is above 2^53 keeps its digits'(page) {
    await page.click('#sender');
    await transferByKeyboard(page, 'big', 'small', '9007199254740993');
    await until(page, 'status', '9007199254740993');
    assert.equal((await rows(page))[0][1].replace(/\D/g, ''), '9007199254740993');
    assert.match(await api('/api/accounts'), /"balance":9007199254740993\b/);
  },

  async 'an error of the server is shown as text, and what was typed stays'(page) {
    await page.click('#sender');
    await transferByKeyboard(page, 'a', 'a', '1');
    await until(page, 'error', 'The transfer was refused');
    assert.equal(await page.getAttribute('#error', 'role'), 'alert');
    assert.equal(await page.inputValue('#amount'), '1');
    assert.equal(await page.locator('#balances-stale').isVisible(), false);
    assert.equal(await api('/api/accounts'), '[]');
    // The next success takes the error away.
    await page.fill('#receiver', 'b');
    await page.press('#receiver', 'Enter');
    await until(page, 'status', 'a paid 1 for b');
    assert.equal(await text(page, 'error'), '');
  },

  async 'amounts that are none do not leave the page'(page) {
    await page.fill('#sender', 'a');
    await page.fill('#receiver', 'b');
    for (const amount of ['', '0', '-1', '1.5', '1e3', 'x']) {
      await page.fill('#amount', amount);
      await page.press('#amount', 'Enter');
      assert.equal(await page.evaluate(() => document.forms[0].checkValidity()), false, amount);
    }
    assert.equal(await api('/api/accounts'), '[]');
  },

  async 'each kind of failure says what is known'(page) {
    const answers = [
      [{status: 503, body: 'the store is away', headers: {'retry-after': '2'}}, /^The transfer was not applied: .*the store is away.*Try again in 2 s\.$/],
      [{status: 429, body: ''}, /^The transfer was not applied/],
      [{status: 504, body: ''}, /^It is unknown whether the transfer was applied.*Look at the balances/],
      [{status: 500, body: '<html>a proxy</html>'}, /^It is unknown whether the transfer was applied: HTTP 500\. Look/],
      [null, /^It is unknown whether the transfer was applied: there was no answer/],
    ];
    for (const [answer, expected] of answers) {
      await page.route('**/api/transfer', (route) => answer ? route.fulfill(answer) : route.abort('connectionreset'));
      await page.fill('#sender', 'a');
      await page.fill('#receiver', 'b');
      await page.fill('#amount', '1');
      const again = page.waitForResponse('**/api/accounts');
      await page.press('#amount', 'Enter');
      await again;
      await idle(page);
      assert.match(await text(page, 'error'), expected);
      assert.equal(await text(page, 'status'), '');
      await page.unroute('**/api/transfer');
    }
    assert.equal(await api('/api/accounts'), '[]');
  },

  async 'a second Enter while the first is under way is no second transfer'(page) {
    let seen = 0;
    let release;
    const held = new Promise((resolve) => { release = resolve; });
    await page.route('**/api/transfer', async (route) => { seen += 1; await held; await route.continue(); });
    await page.click('#sender');
    await transferByKeyboard(page, 'a', 'b', '7');
    await page.locator('body[aria-busy]').waitFor();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    release();
    await until(page, 'status', 'a paid 7 for b');
    assert.equal(seen, 1);
    assert.match(await api('/api/accounts'), /"balance":7\b/);
  },

  async 'on a phone nothing scrolls sideways and everything can be touched'(page) {
    await page.setViewportSize(PHONE);
    await api('/api/transfer', {sender: LONG_NAME, receiver: HTML_NAME, amount: 9007199254740000});
    for (let i = 0; i < 20; i++) await api('/api/transfer', {sender: `u${i}`, receiver: 'Ann', amount: 10 + i});
    await page.reload();
    await page.click('#settle-button');
    await until(page, 'status', 'settle everything');
    const sizes = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth,
      over: [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth).length,
      small: [...document.querySelectorAll('input, main button')]
        .filter((e) => e.getBoundingClientRect().height < 44 || e.getBoundingClientRect().width < 44).map((e) => e.id),
    }));
    assert.deepEqual(sizes, {wide: PHONE.width, over: 0, small: []});
    await page.screenshot({path: `${pictures}/phone-long.png`, fullPage: true});
    await page.click('#reset-button');
    await page.screenshot({path: `${pictures}/phone-reset.png`});
    await page.click('#reset-dialog button[value=reset]');
    await until(page, 'status', 'Everything is forgotten');

    await page.fill('#sender', 'Ann');
    await page.fill('#receiver', 'Bob');
    await page.fill('#amount', '12');
    await page.press('#amount', 'Enter');
    await until(page, 'status', 'Ann paid 12 for Bob');
    await page.screenshot({path: `${pictures}/phone.png`});
    await page.emulateMedia({colorScheme: 'dark'});
    await page.fill('#sender', 'Ann');
    await page.fill('#receiver', 'Ann');
    await page.fill('#amount', '12');
    await page.press('#amount', 'Enter');
    await until(page, 'error', 'refused');
    await idle(page);
    await page.screenshot({path: `${pictures}/phone-dark.png`});
    await page.setViewportSize(DESK);
    await page.screenshot({path: `${pictures}/desk-dark.png`});
  },

  async 'without its store the real server says so, and so does the page'(page) {
    await page.goto(storeless);
    await until(page, 'error', 'The balances could not be read');
    await page.click('#sender');
    await transferByKeyboard(page, 'a', 'b', '1');
    await until(page, 'error', 'The transfer was not applied');
    await idle(page);
    assert.match(await text(page, 'error'), /Try again in \d+ s\.$/);
    assert.equal(await page.locator('#balances-stale').isVisible(), true);
    await page.screenshot({path: `${pictures}/storeless.png`});
  },
};

async function main() {
  const args = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'];
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({executablePath, headless: true, args});
  let failures = 0;
  for (const [name, test] of Object.entries(tests)) {
    await api('/api/reset');
    const context = await browser.newContext({viewport: DESK});
    const page = await context.newPage();
    page.setDefaultTimeout(20000);
    // What the policy stops and what a script throws is written to the console; a failed request is, too.
    const broken = [];
    page.on('pageerror', (error) => broken.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) broken.push(message.text());
    });
    try {
      await page.goto(url);
      await test(page);
      assert.deepEqual(broken, []);
      console.log(`ok      ${name}`);
    } catch (error) {
      failures += 1;
      console.log(`FAILED  ${name}\n${error.stack}`);
      await page.screenshot({path: `${pictures}/failed.png`});
    }
    await context.close();
  }
  await browser.close();
  console.log(failures === 0 ? 'PASS' : `${failures} failed`);
  return failures === 0 ? 0 : 1;
}

main().then((code) => process.exit(code), (error) => {
  console.error(error);
  process.exit(2);
});
