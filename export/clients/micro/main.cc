// Self-test of a firmware: checks the golden vector, classifies the test image, and times it.
#include <cstdint>
#include <cstdlib>

#include "classify.h"
#include "golden.h"
#include "model_data.h"
#include "picture.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tensorflow/lite/micro/micro_time.h"
#include "tensorflow/lite/micro/system_setup.h"

namespace {

static_assert(sizeof(golden_input) == kHeight * kWidth * kChannels, "golden.h of another bundle");
static_assert(sizeof(golden_output) == kClasses, "golden.h of another bundle");
static_assert(sizeof(kPicture) == sizeof(golden_input), "picture.h of another bundle");

bool CheckGolden() {
  const int8_t* output = Run(golden_input);
  if (output == nullptr) return false;
  int largest = 0;
  for (int i = 0; i < kClasses; ++i) {
    const int difference = std::abs(output[i] - golden_output[i]);
    if (difference > largest) largest = difference;
  }
  MicroPrintf("golden vector: largest difference %d steps, limit %d", largest, kTolerance);
  return largest <= kTolerance && BestClass(output) == BestClass(golden_output);
}

bool ClassifyPicture() {
  constexpr int kRepeats = 10;
  const int8_t* output = Classify(kPicture);  // Warm-up: not timed.
  const uint32_t start = tflite::GetCurrentTimeTicks();
  for (int i = 0; i < kRepeats && output != nullptr; ++i) output = Classify(kPicture);
  const uint32_t ticks = (tflite::GetCurrentTimeTicks() - start) / kRepeats;
  if (output == nullptr) return false;
  const int best = BestClass(output);
  const int percent = static_cast<int>(100 * Probability(output[best]) + 0.5f);
  MicroPrintf("picture: %s, %d percent", kLabels[best], percent);
  // A port without a clock has 0 ticks per second.
  MicroPrintf("%u ticks per image, %u ticks per second", ticks, tflite::ticks_per_second());
  return true;
}

}  // namespace

int main() {
  tflite::InitializeTarget();
  if (!Start()) {
    MicroPrintf("error: the network cannot be started");
    return 1;
  }
  MicroPrintf("arena: %d of %d bytes", static_cast<int>(ArenaUsedBytes()), kArenaBytes);
  if (!CheckGolden()) {
    MicroPrintf("error: the golden vector differs");
    return 1;
  }
  return ClassifyPicture() ? 0 : 1;
}
