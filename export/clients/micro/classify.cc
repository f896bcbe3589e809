#include "classify.h"

#include <cmath>
#include <cstring>
#include <new>

#include "model_data.h"
#include "operators.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

constexpr size_t kPixels = static_cast<size_t>(kHeight) * kWidth * kChannels;

alignas(16) uint8_t arena[kArenaBytes];
Resolver resolver;
// Built in place: static constructors may run before the board is ready, and there is no heap.
alignas(tflite::MicroInterpreter) unsigned char storage[sizeof(tflite::MicroInterpreter)];
tflite::MicroInterpreter* interpreter = nullptr;

}  // namespace

bool Start() {
  const tflite::Model* model = tflite::GetModel(kModel);
  if (!RegisterOperators(resolver)) return false;
  interpreter = new (storage) tflite::MicroInterpreter(model, resolver, arena, kArenaBytes);
  if (interpreter->AllocateTensors() != kTfLiteOk) return false;
  const TfLiteTensor* input = interpreter->input(0);
  const TfLiteTensor* output = interpreter->output(0);
  return input->type == kTfLiteInt8 && input->bytes == kPixels && output->type == kTfLiteInt8 &&
         output->bytes == static_cast<size_t>(kClasses);
}

size_t ArenaUsedBytes() { return interpreter->arena_used_bytes(); }

const int8_t* Run(const int8_t* input) {
  // The network reuses the memory of its input while it runs, so the input is copied each time.
  std::memcpy(interpreter->input(0)->data.int8, input, kPixels);
  return interpreter->Invoke() == kTfLiteOk ? interpreter->output(0)->data.int8 : nullptr;
}

const int8_t* Classify(const uint8_t* pixels) {
  int8_t* input = interpreter->input(0)->data.int8;
  for (size_t i = 0; i < kPixels; ++i) {
    const float value = std::nearbyint(pixels[i] / kInputScale) + kInputZeroPoint;
    input[i] = static_cast<int8_t>(std::fmin(std::fmax(value, -128.f), 127.f));
  }
  return interpreter->Invoke() == kTfLiteOk ? interpreter->output(0)->data.int8 : nullptr;
}

int BestClass(const int8_t* output) {
  int best = 0;
  for (int i = 1; i < kClasses; ++i) {
    if (output[i] > output[best]) best = i;
  }
  return best;
}

float Probability(int8_t output) { return (output - kOutputZeroPoint) * kOutputScale; }
