// Reads a bundle that `reszoo export` wrote: contract, .tflite, labels and golden vector.

const FORMAT = 'reszoo contract';
const VERSIONS = [2, 3];
const ARRAYS = { float32: Float32Array, uint8: Uint8Array, int8: Int8Array };

// Fetches and checks the bundle at a URL that ends with a slash.
export async function openBundle(base) {
  const contract = JSON.parse(text(await read(base, 'contract.json')));
  if (contract.format !== FORMAT || !VERSIONS.includes(contract.format_version)) {
    throw new Error(`Expected a ${FORMAT} of version ${VERSIONS.join(' or ')}, found ${contract.format} ${contract.format_version}.`);
  }
  const entry = contract.files.tflite;
  if (!entry) throw new Error('The bundle has no .tflite; export it for a mobile-* target.');
  const vectors = contract.example.vectors?.tflite;
  if (!vectors) throw new Error('The contract has no golden vector; export the bundle again.');
  const checked = (name) => readChecked(base, name, contract.sha256);
  const model = await checked(entry.path);
  const labels = text(await checked(contract.classes.file)).replace(/\n$/, '').split('\n');
  const input = entry.inputs[0];
  const output = entry.outputs[0];
  const golden = {
    ...vectors,
    input: npyValues(await checked(vectors.input), input.dtype),
    output: npyValues(await checked(vectors.output), output.dtype),
  };
  return { contract, model, labels, input, output, golden, signature: entry.signature };
}

async function read(base, name) {
  const response = await fetch(new URL(name, base));
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function readChecked(base, name, hashes) {
  const content = await read(base, name);
  // Browsers provide crypto.subtle on https and localhost only.
  if (globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
    const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (hash !== hashes[name]) {
      throw new Error(`${name} is not the file that contract.json describes.`);
    }
  }
  return content;
}

const text = (bytes) => new TextDecoder().decode(bytes);

// Returns the values of a .npy file of version 1.
function npyValues(content, dtype) {
  const header = 10 + new DataView(content.buffer).getUint16(8, true);
  return new ARRAYS[dtype](content.slice(header).buffer);
}

// Quantizes pixels 0..255 to the values of the input tensor, by the contract's scale.
export function quantize(pixels, { dtype, scale, zero_point: zero }) {
  if (!scale || (scale === 1 && zero === 0)) return ARRAYS[dtype].from(pixels);
  const [low, high] = dtype === 'int8' ? [-128, 127] : [0, 255];
  const value = (pixel) => Math.min(Math.max(roundHalfToEven(pixel / scale) + zero, low), high);
  return ARRAYS[dtype].from(pixels, value);
}

// Returns the values of the output tensor as probabilities.
export function dequantize(values, { scale, zero_point: zero }) {
  return Float32Array.from(values, scale ? (value) => (value - zero) * scale : undefined);
}

export function roundHalfToEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
