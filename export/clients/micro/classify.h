// Classification with the .tflite of a bundle in TFLite-Micro.
#pragma once

#include <cstddef>
#include <cstdint>

// Builds the interpreter in its arena. Call it once, before the other functions. Returns false if
// the arena is too small or an operator is missing; TFLite-Micro logs which.
bool Start();

// Returns the bytes of the arena that are in use, at most kArenaBytes.
size_t ArenaUsedBytes();

// Runs the network on an input tensor, int8 (kHeight, kWidth, kChannels). Returns the output
// tensor, int8 (kClasses), which the next call overwrites, or nullptr if an operator fails.
const int8_t* Run(const int8_t* input);

// Quantizes the pixels 0..255 of an image, and runs the network on them as `Run` does.
const int8_t* Classify(const uint8_t* pixels);

// Returns the index of the largest of kClasses outputs, the first one if there are several.
int BestClass(const int8_t* output);

// Returns the probability of a quantized output.
float Probability(int8_t output);
