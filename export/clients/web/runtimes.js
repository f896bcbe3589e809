// The two runtimes of the page. Each has a name and `classify(image, canvas, top)`, which returns
// the best classes as {index, name, probability}.

import { dequantize, quantize } from './bundle.js';

const MODULES = new URL('./node_modules/', import.meta.url);

// LiteRT.js: raw tensors, with the names and scales of the contract.
export async function openLiteRt(bundle) {
  const { loadLiteRt, loadAndCompile, Tensor } = await import('@litertjs/core');
  await loadLiteRt(new URL('@litertjs/core/wasm/', MODULES).href);
  const model = await loadAndCompile(bundle.model, { accelerator: 'wasm' });

  // Returns the output tensor for the values of an input tensor.
  async function run(values) {
    const input = new Tensor(values, bundle.input.shape);
    const outputs = await model.run(bundle.signature, { [bundle.input.name]: input });
    const output = outputs[bundle.output.name];
    const result = (await output.data()).slice();
    input.delete();
    output.delete();
    return result;
  }

  async function classify({ data }, canvas, top) {
    const probabilities = dequantize(await run(quantize(data, bundle.input)), bundle.output);
    const indices = [...probabilities.keys()];
    indices.sort((a, b) => probabilities[b] - probabilities[a] || a - b);
    return indices.slice(0, top).map((index) => (
      { index, name: bundle.labels[index], probability: probabilities[index] }));
  }

  return { name: 'LiteRT.js', run, classify };
}

// MediaPipe: class names and normalisation come from the metadata in the file.
export async function openMediaPipe(bundle) {
  const { mediapipe } = bundle.contract.files.tflite;
  if (!mediapipe.opens) throw new Error(`MediaPipe does not open this file: ${mediapipe.why}`);
  const folder = new URL('@mediapipe/tasks-vision/', MODULES).href;
  const { ImageClassifier } = await import(`${folder}vision_bundle.mjs`);
  const classifier = await ImageClassifier.createFromOptions(
    {
      wasmLoaderPath: `${folder}wasm/vision_wasm_internal.js`,
      wasmBinaryPath: `${folder}wasm/vision_wasm_internal.wasm`,
    },
    { baseOptions: { modelAssetBuffer: bundle.model.slice(), delegate: 'CPU' } },
  );

  async function classify(image, canvas, top) {
    const { categories } = classifier.classify(canvas).classifications[0];
    return categories.slice(0, top).map(({ index, categoryName, score }) => (
      { index, name: categoryName, probability: score }));
  }

  return { name: 'MediaPipe', classify };
}
