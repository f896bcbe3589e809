// Classifies a dropped image with the .tflite of a bundle, in LiteRT.js or MediaPipe.
//
// The bundle is the folder `bundle/` beside this page, or the one given by `?bundle=`.

import { openBundle } from './bundle.js';
import { pixelsOf, toCanvas } from './pixels.js';
import { openLiteRt, openMediaPipe } from './runtimes.js';

const TOP = 5;
const REPEATS = 20;
const RUNTIMES = { litert: openLiteRt, mediapipe: openMediaPipe };
const element = (id) => document.getElementById(id);
const opened = {};
let bundle;
let file;
let queue = Promise.resolve();

// Runs one action at a time; `document.body.dataset.state` is busy, ready or error.
function enqueue(action) {
  queue = queue.then(async () => {
    document.body.dataset.state = 'busy';
    element('error').textContent = '';
    try {
      await action();
      document.body.dataset.state = 'ready';
    } catch (error) {
      element('error').textContent = error.message ?? String(error);
      document.body.dataset.state = 'error';
    }
  });
}

async function runtime() {
  const name = document.querySelector('input[name=runtime]:checked').value;
  opened[name] ??= await RUNTIMES[name](bundle);
  return opened[name];
}

async function start() {
  const place = new URLSearchParams(location.search).get('bundle') ?? 'bundle';
  bundle = await openBundle(new URL(`${place}/`, location.href));
  element('title').textContent = bundle.contract.title ?? bundle.contract.name;
  document.title = element('title').textContent;
  const litert = await runtime();
  element('golden').textContent = await checkGolden(litert);
}

// Compares the output for the golden vector with the contract's; throws if it differs.
async function checkGolden(litert) {
  const { input, output, tolerance, kernels } = bundle.golden;
  const found = await litert.run(input);
  const largest = found.reduce((most, value, i) => Math.max(most, Math.abs(value - output[i])), 0);
  const alike = best(found)[0] === best(output)[0];
  const exact = kernels === 'fast';
  if (!alike || (exact && !(largest <= tolerance))) {
    throw new Error(`The golden vector differs by ${largest}; the limit is ${tolerance}.`);
  }
  return `Golden vector: largest difference ${short(largest)}, limit ${short(tolerance)}` +
    (exact ? '' : ` with the ${kernels} kernels`);
}

const short = (value) => Number(value.toPrecision(2));

function best(values) {
  return [...values.keys()].sort((a, b) => values[b] - values[a] || a - b);
}

async function classify() {
  if (!file) return;
  const image = await pixelsOf(file, bundle.contract.preprocessing);
  const canvas = toCanvas(image, document.querySelector('canvas'));
  const network = await runtime();
  const answers = await network.classify(image, canvas, TOP);
  document.querySelector('ol').replaceChildren(...answers.map(row));
  element('result').classList.add('filled');
  const times = [];
  for (let i = 0; i < REPEATS; i++) {
    const begin = performance.now();
    await network.classify(image, canvas, TOP);
    times.push(performance.now() - begin);
  }
  times.sort((a, b) => a - b);
  const middle = (times[REPEATS / 2 - 1] + times[REPEATS / 2]) / 2;
  element('time').textContent =
    `${network.name}: ${middle.toFixed(1)} ms per image, median of ${REPEATS}`;
}

function row({ index, name, probability }) {
  const item = document.createElement('li');
  item.dataset.index = index;
  item.dataset.probability = probability;
  const label = document.createElement('span');
  label.textContent = name;
  const number = document.createElement('span');
  number.textContent = `${(100 * probability).toFixed(1)} %`;
  const bar = document.createElement('meter');
  bar.value = probability;
  item.append(label, number, bar);
  return item;
}

function take(files) {
  if (!files.length) return;
  [file] = files;
  enqueue(classify);
}

const drop = element('drop');
drop.querySelector('input').addEventListener('change', (event) => take(event.target.files));
for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle('over', kind === 'dragenter' || kind === 'dragover');
    if (kind === 'drop') take(event.dataTransfer.files);
  });
}
for (const radio of document.querySelectorAll('input[name=runtime]')) {
  radio.addEventListener('change', () => enqueue(classify));
}
enqueue(start);
