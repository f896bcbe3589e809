// Carries out the contract's `preprocessing`, from an image file to the network's pixels.

import { roundHalfToEven } from './bundle.js';

const KERNELS = {
  bilinear: { radius: 1, weight: (x) => Math.max(1 - x, 0) },
  bicubic: {
    radius: 2,
    weight: (x) =>
      x >= 2 ? 0 : x >= 1 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : (1.5 * x - 2.5) * x * x + 1,
  },
};

// Returns the pixels 0..255 of an image file as {data, height, width, channels}.
export async function pixelsOf(file, steps) {
  const bitmap = await createImageBitmap(file, {
    imageOrientation: 'from-image',
    colorSpaceConversion: 'none',
  });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d');
  context.fillStyle = 'white';
  context.fillRect(0, 0, bitmap.width, bitmap.height);
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const image = {
    data: withChannels(data, steps.channels),
    height: bitmap.height,
    width: bitmap.width,
    channels: steps.channels,
  };
  const fits = image.height === steps.height && image.width === steps.width;
  return fits && steps.crop === 1 ? image : coverAndCrop(image, steps);
}

// Drops the alpha channel of RGBA, or converts to grey by the contract's integer formula.
function withChannels(rgba, channels) {
  const count = rgba.length / 4;
  const pixels = new Uint8ClampedArray(count * channels);
  for (let i = 0; i < count; i++) {
    const [red, green, blue] = rgba.subarray(4 * i, 4 * i + 3);
    if (channels === 1) pixels[i] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
    else pixels.set([red, green, blue], 3 * i);
  }
  return pixels;
}

// Resizes an image until it just covers the contract's size, and crops the centre.
function coverAndCrop(image, steps) {
  const [coverHeight, coverWidth] = steps.resize_to_cover;
  const scale = Math.max(coverHeight / image.height, coverWidth / image.width);
  const side = (size, cover) => Math.max(Math.floor(size * scale + 1e-9), cover);
  const rows = spans(image.height, side(image.height, coverHeight), steps.height, steps);
  const columns = spans(image.width, side(image.width, coverWidth), steps.width, steps);
  const { channels } = image;
  const across = new Float32Array(image.height * steps.width * channels);
  weigh(image.data, across, image.height, image.width * channels, channels, columns, channels);
  const values = new Float32Array(steps.height * steps.width * channels);
  weigh(across, values, 1, 0, steps.width * channels, rows, steps.width * channels);
  const data = Uint8ClampedArray.from(values, (value) => roundHalfToEven(value));
  return { data, height: steps.height, width: steps.width, channels };
}

// Returns, for each output pixel of an axis, the first source pixel and the weights from there.
function spans(size, resized, target, { interpolation, antialias }) {
  const { radius, weight } = KERNELS[interpolation];
  const step = size / resized;
  const widening = antialias ? Math.max(step, 1) : 1;
  const start = roundHalfToEven((resized - target) / 2);
  return Array.from({ length: target }, (_, index) => {
    const centre = (index + start + 0.5) * step;
    const first = Math.max(Math.ceil(centre - radius * widening - 0.5), 0);
    const last = Math.min(Math.floor(centre + radius * widening - 0.5), size - 1);
    const weights = Array.from({ length: last - first + 1 }, (__, i) =>
      weight(Math.abs(first + i + 0.5 - centre) / widening));
    const total = weights.reduce((sum, value) => sum + value, 0);
    return { first, weights: weights.map((value) => value / total) };
  });
}

// Adds weighted sums along one axis to `target`: `lines` lines of `pitch` values, in which elements
// along the axis are `stride` values apart and `width` values wide.
function weigh(source, target, lines, pitch, stride, axis, width) {
  for (let line = 0; line < lines; line++) {
    axis.forEach(({ first, weights }, index) => {
      const begin = (line * axis.length + index) * width;
      weights.forEach((weight, i) => {
        const from = line * pitch + (first + i) * stride;
        for (let k = 0; k < width; k++) target[begin + k] += weight * source[from + k];
      });
    });
  }
}

// Draws pixels on a canvas of their size, and returns it.
export function toCanvas({ data, height, width, channels }, canvas) {
  Object.assign(canvas, { height, width });
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = data[channels * i + (c % channels)];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}
