// Classification with the .tflite of a bundle in TFLite-Micro.
#pragma once

#include <cstddef>
#include <cstdint>

// Builds the interpreter in its arena. Call it once, before the others; returns false where the
// arena is too small or an operator is missing, which TFLite-Micro has then logged.
bool Start();

// Returns the bytes of the arena that are in use, at most kArenaBytes.
size_t ArenaUsedBytes();

// Runs the network on an input tensor, int8 (kHeight, kWidth, kChannels). Returns the output tensor,
// int8 (kClasses), which the next call overwrites, or nullptr where an operator fails.
const int8_t* Run(const int8_t* input);

// Does the same for the pixels 0..255 of an image.
const int8_t* Classify(const uint8_t* pixels);

// Returns the index of the largest of kClasses outputs, the first of equals.
int BestClass(const int8_t* output);

// Returns the probability that an output stands for.
float Probability(int8_t output);
