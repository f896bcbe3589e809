/* Classifies images with the .tflite of a bundle through LiteRT's C library.
 *
 *     classify BUNDLE [IMAGE.ppm ...]
 *
 * It reads contract.json, checks the golden vector, classifies binary PPM or PGM images of the
 * network's input size, and prints the median time of one image. The exit code is 2 for wrong
 * arguments, and 1 for any other error, such as a golden vector beyond the contract's tolerance.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The wheel has no headers, and its library no API version: before 2.1.6 LiteRtCreateModelFromFile
 * took no environment, and a program built for another version would crash. */
#if !defined(LITERT_VERSION) || LITERT_VERSION < 20300 || LITERT_VERSION >= 20400
#error "these prototypes are those of ai-edge-litert 2.3; build with make, which finds its version"
#endif

typedef struct LiteRtObject *Handle;
int LiteRtCreateEnvironment(int count, const void *options, Handle *environment);
int LiteRtCreateModelFromFile(Handle environment, const char *path, Handle *model);
int LiteRtGetModelSignature(Handle model, size_t index, Handle *signature);
int LiteRtGetSignatureInputTensorByIndex(Handle signature, size_t index, Handle *tensor);
int LiteRtGetSignatureOutputTensorByIndex(Handle signature, size_t index, Handle *tensor);
int LiteRtGetRankedTensorType(Handle tensor, void *type);
int LiteRtCreateOptions(Handle *options);
int LiteRtSetOptionsHardwareAccelerators(Handle options, int accelerators);
int LiteRtCreateCompiledModel(Handle environment, Handle model, Handle options, Handle *compiled);
int LiteRtGetCompiledModelInputBufferRequirements(Handle compiled, size_t signature, size_t index,
                                                  Handle *requirements);
int LiteRtGetCompiledModelOutputBufferRequirements(Handle compiled, size_t signature, size_t index,
                                                   Handle *requirements);
int LiteRtCreateManagedTensorBufferFromRequirements(Handle environment, const void *type,
                                                    Handle requirements, Handle *buffer);
int LiteRtGetTensorBufferPackedSize(Handle buffer, size_t *bytes);
int LiteRtLockTensorBuffer(Handle buffer, void **address, int mode);
int LiteRtUnlockTensorBuffer(Handle buffer);
int LiteRtRunCompiledModel(Handle compiled, size_t signature, size_t inputs, Handle *input,
                           size_t outputs, Handle *output);
enum { READ = 0, WRITE = 1, CPU = 1, TYPE_BYTES = 512, REPEATS = 100 };

static void fail(int code, const char *what, const char *name) {
    fprintf(stderr, "error: %s: %s\n", name, what);
    exit(code);
}

static void require(int status, const char *call) {
    if (status != 0) fail(1, "this LiteRT call failed", call);
}
#define REQUIRE(call) require((call), #call)

/* ---- Files ---- */

/* Returns a file's content, followed by a zero byte, and its size in bytes. */
static char *read_file(const char *folder, const char *name, size_t *bytes) {
    char path[4096];
    snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name);
    FILE *file = fopen(path, "rb");
    if (!file) fail(1, "cannot be opened", path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *content = size < 0 ? NULL : malloc((size_t)size + 1);
    if (!content || fread(content, 1, (size_t)size, file) != (size_t)size)
        fail(1, "cannot be read", path);
    fclose(file);
    content[size] = 0;
    *bytes = (size_t)size;
    return content;
}

/* Returns the values in a .npy file; its size must be `expected` bytes. */
static const char *npy_values(const char *folder, const char *name, size_t expected) {
    size_t bytes;
    char *file = read_file(folder, name, &bytes);
    if (bytes < 10 || memcmp(file, "\x93NUMPY\x01", 7) != 0)
        fail(1, "is not a .npy file of version 1", name);
    size_t header = 10 + (unsigned char)file[8] + 256u * (unsigned char)file[9];
    if (bytes != header + expected) fail(1, "has a size other than the tensor's", name);
    return file + header;
}

/* Returns the pixels of a binary PPM (3 channels) or PGM (1 channel) of the given size. */
static const unsigned char *pnm_pixels(const char *path, long height, long width, long channels) {
    size_t bytes;
    char *file = read_file("", path, &bytes);
    char *end = file + 2;
    long wide = 0, high = 0, depth = 0;
    if (memcmp(file, channels == 1 ? "P5" : "P6", 2) == 0) {
        wide = strtol(end, &end, 10);
        high = strtol(end, &end, 10);
        depth = strtol(end, &end, 10);
    }
    size_t pixels = (size_t)(height * width * channels);
    if (wide != width || high != height || depth != 255 || file + bytes != end + 1 + pixels)
        fail(1, channels == 1 ? "is not an 8-bit P5 image of the input size, without comments"
                              : "is not an 8-bit P6 image of the input size, without comments",
             path);
    return (const unsigned char *)end + 1;
}

/* ---- JSON: a program writes the contracts, so malformed text is not detected ---- */

static const char *skip_space(const char *text) { return text + strspn(text, " \t\r\n"); }

static const char *skip_string(const char *text) {
    for (text++; *text && *text != '"'; text++)
        if (*text == '\\' && text[1]) text++;
    return *text ? text + 1 : text;
}

static const char *skip_value(const char *text) {
    int depth = 0;
    do {
        text = skip_space(text);
        if (*text == '"') {
            text = skip_string(text);
        } else if (*text) {
            depth += (*text == '{' || *text == '[') - (*text == '}' || *text == ']');
            text++;
            while (depth == 0 && *text && !strchr(",]} \t\r\n", *text)) text++;
        }
    } while (depth > 0 && *text);
    return text;
}

/* Returns the member of an object or array by its key or index, or NULL if there is none. */
static const char *member(const char *text, const char *key, size_t length) {
    const int is_object = *text == '{';
    if (!is_object && *text != '[') return NULL;
    long index = is_object ? -1 : strtol(key, NULL, 10);
    for (text = skip_space(text + 1); *text && *text != '}' && *text != ']'; index--) {
        const char *name = text;
        if (is_object) text = skip_space(skip_space(skip_string(text)) + 1);
        if (is_object ? strncmp(name + 1, key, length) == 0 && name[1 + length] == '"' : index == 0)
            return text;
        text = skip_space(skip_value(text));
        if (*text == ',') text = skip_space(text + 1);
    }
    return NULL;
}

/* Returns the value at a path such as "files.tflite.inputs.0.scale", or NULL. */
static const char *find(const char *json, const char *path) {
    json = skip_space(json);
    while (json && *path) {
        size_t length = strcspn(path, ".");
        json = member(json, path, length);
        path += length + (path[length] == '.');
    }
    return json;
}

static const char *demand(const char *json, const char *path) {
    const char *value = find(json, path);
    if (!value) fail(1, "the contract lacks this entry; export the bundle again", path);
    return value;
}

static double number(const char *json, const char *path) {
    return strtod(demand(json, path), NULL); /* null is 0 */
}

/* Returns a string without escapes, such as a file's name. */
static char *string(const char *json, const char *path) {
    const char *value = demand(json, path);
    size_t length = *value == '"' ? strcspn(value + 1, "\"") : 0;
    char *copy = calloc(length + 1, 1);
    if (!copy) fail(1, "no memory", path);
    return memcpy(copy, value + (length > 0), length);
}

/* ---- Tensors ---- */

typedef struct {
    enum { FLOAT32, UINT8, INT8 } type;
    double scale, zero_point; /* A scale of 0 means not quantized. */
    size_t count, bytes;
    Handle buffer;
} Tensor;

static Tensor describe(const char *entry) {
    const char *types[] = {"float32", "uint8", "int8"};
    char *type = string(entry, "dtype");
    Tensor tensor = {.scale = number(entry, "scale"), .zero_point = number(entry, "zero_point")};
    while ((int)tensor.type < 3 && strcmp(type, types[tensor.type]) != 0) tensor.type++;
    if ((int)tensor.type == 3) fail(1, "a dtype that this program does not support", type);
    tensor.count = 1;
    const char *shape = demand(entry, "shape");
    char axis[16] = "0";
    for (int i = 0; find(shape, axis); snprintf(axis, sizeof axis, "%d", ++i))
        tensor.count *= (size_t)number(shape, axis);
    tensor.bytes = tensor.count * (tensor.type == FLOAT32 ? 4 : 1);
    return tensor;
}

/* Allocates the buffer of the first input or output of a compiled model. */
static void allocate(Tensor *tensor, Handle environment, Handle signature, Handle compiled,
                     int is_input) {
    Handle details, requirements;
    char type[TYPE_BYTES] = {0};
    size_t bytes;
    if (is_input) {
        REQUIRE(LiteRtGetSignatureInputTensorByIndex(signature, 0, &details));
        REQUIRE(LiteRtGetCompiledModelInputBufferRequirements(compiled, 0, 0, &requirements));
    } else {
        REQUIRE(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &details));
        REQUIRE(LiteRtGetCompiledModelOutputBufferRequirements(compiled, 0, 0, &requirements));
    }
    REQUIRE(LiteRtGetRankedTensorType(details, type));
    REQUIRE(LiteRtCreateManagedTensorBufferFromRequirements(environment, type, requirements,
                                                            &tensor->buffer));
    REQUIRE(LiteRtGetTensorBufferPackedSize(tensor->buffer, &bytes));
    if (bytes != tensor->bytes) fail(1, "a size other than the contract's", "a tensor");
}

static void copy_in(Tensor tensor, const void *values) {
    void *address;
    REQUIRE(LiteRtLockTensorBuffer(tensor.buffer, &address, WRITE));
    memcpy(address, values, tensor.bytes);
    REQUIRE(LiteRtUnlockTensorBuffer(tensor.buffer));
}

static void copy_out(Tensor tensor, void *values) {
    void *address;
    REQUIRE(LiteRtLockTensorBuffer(tensor.buffer, &address, READ));
    memcpy(values, address, tensor.bytes);
    REQUIRE(LiteRtUnlockTensorBuffer(tensor.buffer));
}

/* Quantizes pixels 0..255 to the values of an input tensor, by the contract's scale. */
static void quantize(Tensor tensor, const unsigned char *pixels, void *values) {
    const double low = tensor.type == INT8 ? -128 : 0, high = low + 255;
    for (size_t i = 0; i < tensor.count; i++) {
        float pixel = pixels[i];
        if (tensor.type == FLOAT32) {
            ((float *)values)[i] = pixel;
            continue;
        }
        double value = pixel;
        if (tensor.scale > 0)
            value = nearbyintf(pixel / (float)tensor.scale) + tensor.zero_point;
        value = fmin(fmax(value, low), high);
        ((unsigned char *)values)[i] = (unsigned char)(int)value;
    }
}

/* Returns an element of a tensor, not dequantized. */
static double element(Tensor tensor, const void *values, size_t index) {
    switch (tensor.type) {
        case FLOAT32: return ((const float *)values)[index];
        case UINT8: return ((const uint8_t *)values)[index];
        default: return ((const int8_t *)values)[index];
    }
}

static size_t best(Tensor tensor, const void *values) {
    size_t index = 0;
    for (size_t i = 1; i < tensor.count; i++)
        if (element(tensor, values, i) > element(tensor, values, index)) index = i;
    return index;
}

/* ---- The network ---- */

typedef struct {
    Handle compiled;
    Tensor input, output;
} Network;

static Network open_network(const char *folder, const char *entry) {
    Handle environment, model, signature, options;
    Network network = {.input = describe(demand(entry, "inputs.0")),
                       .output = describe(demand(entry, "outputs.0"))};
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, string(entry, "path"));
    REQUIRE(LiteRtCreateEnvironment(0, NULL, &environment));
    REQUIRE(LiteRtCreateModelFromFile(environment, path, &model));
    REQUIRE(LiteRtGetModelSignature(model, 0, &signature));
    REQUIRE(LiteRtCreateOptions(&options));
    REQUIRE(LiteRtSetOptionsHardwareAccelerators(options, CPU));
    REQUIRE(LiteRtCreateCompiledModel(environment, model, options, &network.compiled));
    allocate(&network.input, environment, signature, network.compiled, 1);
    allocate(&network.output, environment, signature, network.compiled, 0);
    return network;
}

static void run(Network *network, const void *input, void *output) {
    copy_in(network->input, input);
    REQUIRE(LiteRtRunCompiledModel(network->compiled, 0, 1, &network->input.buffer, 1,
                                   &network->output.buffer));
    copy_out(network->output, output);
}

static void check_golden(Network *network, const char *folder, const char *vectors, void *output) {
    const void *input = npy_values(folder, string(vectors, "input"), network->input.bytes);
    const void *expected = npy_values(folder, string(vectors, "output"), network->output.bytes);
    const double limit = number(vectors, "tolerance");
    const char *kernels = string(vectors, "kernels");
    double largest = 0;
    run(network, input, output);
    for (size_t i = 0; i < network->output.count; i++)
        largest = fmax(largest, fabs(element(network->output, output, i) -
                                     element(network->output, expected, i)));
    const int alike = best(network->output, output) == best(network->output, expected);
    /* This library has only the fast kernels; for a vector of others only the class is compared. */
    if (strcmp(kernels, "fast") != 0) {
        printf("golden vector of the %s kernels: largest difference %g, class %s\n", kernels,
               largest, alike ? "equal" : "different");
    } else {
        printf("golden vector: largest difference %g, limit %g\n", largest, limit);
        if (!(largest <= limit)) fail(1, "differs by more than the limit", "golden vector");
    }
    if (!alike) fail(1, "has a different class", "golden vector");
}

static int by_size(const void *left, const void *right) {
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Returns the median time of one image in milliseconds, after a warm-up of a tenth as many. */
static double median_milliseconds(Network *network, const void *input, void *output) {
    double times[REPEATS];
    for (int i = -REPEATS / 10; i < REPEATS; i++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        run(network, input, output);
        clock_gettime(CLOCK_MONOTONIC, &end);
        if (i >= 0)
            times[i] = 1e3 * (double)(end.tv_sec - start.tv_sec) +
                       1e-6 * (double)(end.tv_nsec - start.tv_nsec);
    }
    qsort(times, REPEATS, sizeof *times, by_size);
    return (times[REPEATS / 2 - 1] + times[REPEATS / 2]) / 2;
}

/* Prints the predicted class of an image and its probability. */
static void print_answer(const char *path, Tensor tensor, const void *values, const char *labels) {
    const size_t index = best(tensor, values);
    for (size_t line = 0; line < index && strchr(labels, '\n'); line++)
        labels = strchr(labels, '\n') + 1;
    double value = element(tensor, values, index);
    if (tensor.scale > 0) value = (value - tensor.zero_point) * tensor.scale;
    printf("%s: %.*s %.4f\n", path, (int)strcspn(labels, "\n"), labels, value);
}

int main(int argc, char **argv) {
    if (argc < 2) fail(2, "usage: classify BUNDLE [IMAGE.ppm ...]", "no bundle");
    const char *folder = argv[1];
    size_t bytes;
    const char *contract = read_file(folder, "contract.json", &bytes);
    if (strcmp(string(contract, "format"), "reszoo contract") != 0 ||
        (number(contract, "format_version") != 2 && number(contract, "format_version") != 3))
        fail(1, "contract.json is not a reszoo contract of version 2 or 3", folder);
    Network network = open_network(folder, demand(contract, "files.tflite"));
    void *input = calloc(1, network.input.bytes), *output = calloc(1, network.output.bytes);
    if (!input || !output) fail(1, "no memory", "tensors");
    check_golden(&network, folder, demand(contract, "example.vectors.tflite"), output);
    const char *labels = read_file(folder, string(contract, "classes.file"), &bytes);
    for (int i = 2; i < argc; i++) {
        const unsigned char *pixels = pnm_pixels(argv[i],
                                                 (long)number(contract, "preprocessing.height"),
                                                 (long)number(contract, "preprocessing.width"),
                                                 (long)number(contract, "preprocessing.channels"));
        quantize(network.input, pixels, input);
        run(&network, input, output);
        print_answer(argv[i], network.output, output, labels);
    }
    printf("%.3f ms per image, median of %d\n", median_milliseconds(&network, input, output),
           REPEATS);
    return 0;
}
