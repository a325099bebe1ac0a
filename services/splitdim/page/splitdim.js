// SplitDim in a browser: four calls of its API, and what became of them in words.
// Names are other people's text: they are only ever set as text, never as HTML.
'use strict';

// Longer than the server's own REQUEST_TIMEOUT_MS of 10 s, so that its answer comes first.
const TIMEOUT_MS = 15000;

const $ = (id) => document.getElementById(id);

// What an answer, or none, says about a change. 2xx is no business of this.
function explain(what, {status, text, retryAfter}) {
  const detail = text ? ` (${text})` : '';
  if (status === 429 || status === 503) {
    const when = /^\d+$/.test(retryAfter ?? '') ? ` in ${retryAfter} s` : '';
    return `${what} was not applied: the service cannot do it now${detail}. Try again${when}.`;
  }
  if (status >= 400 && status < 500) {
    return `${what} was refused${detail || ` (HTTP ${status})`}.`;
  }
  const why = status === 0 ? 'there was no answer' : status === 504 ? 'no answer came in time' : `HTTP ${status}`;
  return `It is unknown whether ${lower(what)} was applied: ${why}${detail}. Look at the balances before you try again.`;
}

const lower = (text) => text[0].toLowerCase() + text.slice(1);

class Refused extends Error {
  constructor(answer) {
    super(answer.text);
    this.answer = answer;
  }
}

// The text of a 2xx answer. Everything else, no answer included (status 0), is thrown as Refused.
async function call(path, options = {}) {
  let response, text;
  try {
    response = await fetch(path, {...options, cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS)});
    text = await response.text();
  } catch {
    throw new Refused({status: 0, text: ''});
  }
  if (!response.ok) {
    // An error in HTML is a proxy's page: of no use here.
    const line = text.trim().replace(/^Transfer request failed: /, '').replace(/\.$/, '');
    const plain = line.startsWith('<') ? '' : line.slice(0, 300);
    throw new Refused({status: response.status, text: plain, retryAfter: response.headers.get('retry-after')});
  }
  return text;
}

// Amounts have 64 bits, JavaScript's numbers 53: where the browser shows a number's digits, they are kept.
function parse(text) {
  try {
    return JSON.parse(text, (_, value, context) =>
      typeof value === 'number' && !Number.isSafeInteger(value) && context?.source ? BigInt(context.source) : value);
  } catch {
    throw new Refused({status: 0, text: 'its answer is not JSON'});
  }
}

// What was said last, in a live region. An alert that stays the same is not read out again: empty it first.
function say({status = '', error = ''}) {
  $('status').textContent = status;
  $('error').textContent = error;
}

function saying(what, problem) {
  if (!(problem instanceof Refused)) throw problem;
  say({error: what(problem.answer)});
}

const couldNotRead = (what) => ({status, text}) =>
  `${what} could not be read: ${text || (status === 0 ? 'there was no answer' : `HTTP ${status}`)}. Try again.`;

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

// A name as text, whose direction of writing is its own.
const name = (text) => element('bdi', 'name', text);

const amount = (value) => {
  const digits = String(value).replace('-', '').replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return (value > 0 ? '+' : value < 0 ? '\u2212' : '') + digits;
};

// An answer that was overtaken by a later one is not shown.
const latest = () => {
  let asked = 0;
  return async (path) => {
    const mine = ++asked;
    const answer = parse(await call(path));
    return mine === asked ? answer : undefined;
  };
};
const readAccounts = latest();
const readClear = latest();

async function showBalances() {
  const accounts = await readAccounts('/api/accounts').catch((problem) => {
    $('balances-empty').hidden = true;
    $('balances-stale').hidden = false;
    throw problem;
  });
  if (!accounts) return;
  $('balances-stale').hidden = true;
  $('balances-rows').replaceChildren(...accounts.map(({holder, balance}) => {
    const who = element('th', '', name(holder));
    who.scope = 'row';
    const sign = balance > 0 ? 'above' : balance < 0 ? 'below' : '';
    return element('tr', '', who, element('td', `number ${sign}`, amount(balance)));
  }));
  $('holders').replaceChildren(...accounts.slice(0, 200).map(({holder}) => {
    const option = document.createElement('option');
    option.value = holder;
    return option;
  }));
  $('balances-empty').textContent = 'Nobody has paid anything yet.';
  $('balances-empty').hidden = accounts.length > 0;
  $('balances-scroll').hidden = $('balances-hint').hidden = accounts.length === 0;
}

async function showSettle() {
  const payments = await readClear('/api/clear');
  if (!payments) return;
  $('settle-list').replaceChildren(...payments.map(({sender, receiver, amount: sum}) =>
    element('li', '', element('span', '', name(sender), ' pays ', name(receiver)),
      element('span', 'number', amount(sum).slice(1)))));
  $('settle-list').hidden = payments.length === 0;
  $('settle-hint').textContent = payments.length === 0
    ? 'Nobody owes anything.'
    : 'After these payments nobody owes anything. Record each as a transfer when it is made.';
}

// Balances anew; and the payments, once somebody has asked for them: those of the balances before are wrong now.
let isSettling = false;
const showAll = () => Promise.all([showBalances(), isSettling && showSettle()]);

// One at a time: a second Enter while the first is under way is no second transfer. The button stays
// enabled for the browser, or it would lose the focus.
let busy = false;
async function alone(button, work) {
  if (busy) return;
  busy = true;
  button.setAttribute('aria-disabled', 'true');
  document.body.setAttribute('aria-busy', 'true');
  say({});
  try {
    await work();
  } finally {
    busy = false;
    button.removeAttribute('aria-disabled');
    document.body.removeAttribute('aria-busy');
  }
}

// A change, then what it came to. The balances are read anew after a failure, too: it may have been applied.
async function change(what, done, request) {
  try {
    await request();
  } catch (problem) {
    saying((answer) => explain(what, answer), problem);
    // Not waited for: a store that is away is away for this, too. The balances say themselves that they are old.
    showAll().catch(() => {});
    return false;
  }
  say({status: done});
  await showAll().catch((problem) => saying((answer) => `${done} ${couldNotRead('The balances')(answer)}`, problem));
  return true;
}

async function transfer() {
  const [sender, receiver, digits] = ['sender', 'receiver', 'amount'].map((id) => $(id).value.trim());
  // The digits as they are: a number of JavaScript's would round what is above 2⁵³.
  const whole = digits.replace(/^0+/, '');
  const body = `{"sender":${JSON.stringify(sender)},"receiver":${JSON.stringify(receiver)},"amount":${whole}}`;
  const headers = {'content-type': 'application/json'};
  const isDone = await change('The transfer', `Transferred: ${sender} paid ${whole} for ${receiver}.`,
    () => call('/api/transfer', {method: 'POST', headers, body}));
  if (isDone) {
    $('transfer-form').reset();
    // For the next one by keyboard. After a tap on the button it would open a phone's keyboard over the balances.
    if (document.activeElement.matches('input')) $('sender').focus();
  }
}

$('transfer-form').addEventListener('submit', (event) => {
  event.preventDefault();
  alone(event.submitter ?? event.target.querySelector('button'), transfer);
});

$('refresh').addEventListener('click', (event) => alone(event.currentTarget, async () => {
  await showAll().then(() => say({status: 'Balances are up to date.'}),
    (problem) => saying(couldNotRead('The balances'), problem));
}));

$('settle-button').addEventListener('click', (event) => alone(event.currentTarget, async () => {
  isSettling = true;
  await showAll().then(() => {
    const count = $('settle-list').hidden ? 0 : $('settle-list').children.length;
    say({status: count === 0 ? 'Nobody owes anything.' : `${count} ${count === 1 ? 'payment settles' : 'payments settle'} everything.`});
  }, (problem) => saying(couldNotRead('The payments'), problem));
}));

$('reset-button').addEventListener('click', () => {
  $('reset-dialog').returnValue = '';
  $('reset-dialog').showModal();
});

$('reset-dialog').addEventListener('close', () => {
  if ($('reset-dialog').returnValue !== 'reset') return;
  alone($('reset-button'), () => change('The reset', 'Everything is forgotten.', () => call('/api/reset')));
});

showBalances().catch((problem) => saying(couldNotRead('The balances'), problem));
