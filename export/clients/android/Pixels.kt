package org.reszoo.client

import android.graphics.Bitmap
import android.graphics.Color
import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.max
import kotlin.math.min
import kotlin.math.rint
import org.json.JSONObject

/**
 * Carries out the contract's `preprocessing`; returns whole numbers 0..255 of shape (height, width,
 * channels).
 *
 * Decode the image into a software bitmap with `ImageDecoder`, which applies the EXIF rotation, and
 * composite transparent images over white first.
 */
fun pixelsOf(bitmap: Bitmap, steps: JSONObject): FloatArray {
    val channels = steps.getInt("channels")
    val source = withChannels(bitmap, channels)
    val height = steps.getInt("height")
    val width = steps.getInt("width")
    val fits = bitmap.height == height && bitmap.width == width
    if (fits && steps.getDouble("crop") == 1.0) return source
    val cover = steps.getJSONArray("resize_to_cover")
    val scale =
        max(cover.getInt(0).toDouble() / bitmap.height, cover.getInt(1).toDouble() / bitmap.width)
    val rows = spans(bitmap.height, scale, cover.getInt(0), height, steps)
    val columns = spans(bitmap.width, scale, cover.getInt(1), width, steps)
    val across = weigh(source, bitmap.height, bitmap.width, channels, columns)
    val values = weigh(across, 1, bitmap.height, width * channels, rows)
    return FloatArray(values.size) { rint(values[it].toDouble()).coerceIn(0.0, 255.0).toFloat() }
}

private fun withChannels(bitmap: Bitmap, channels: Int): FloatArray {
    val colors = IntArray(bitmap.width * bitmap.height)
    bitmap.getPixels(colors, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
    val values = FloatArray(colors.size * channels)
    colors.forEachIndexed { index, color ->
        val red = Color.red(color)
        val green = Color.green(color)
        val blue = Color.blue(color)
        if (channels == 1) {
            values[index] = ((19595 * red + 38470 * green + 7471 * blue + 32768) shr 16).toFloat()
        } else {
            values[3 * index] = red.toFloat()
            values[3 * index + 1] = green.toFloat()
            values[3 * index + 2] = blue.toFloat()
        }
    }
    return values
}

/** The first source pixel of an output pixel, and the weights of it and of those that follow. */
private class Span(val first: Int, val weights: FloatArray)

private fun spans(size: Int, scale: Double, cover: Int, target: Int, steps: JSONObject): List<Span> {
    val resized = max(floor(size * scale + 1e-9).toInt(), cover)
    val step = size.toDouble() / resized
    val widening = if (steps.getBoolean("antialias")) max(step, 1.0) else 1.0
    val isBicubic = steps.getString("interpolation") == "bicubic"
    val reach = widening * if (isBicubic) 2 else 1
    val start = rint((resized - target) / 2.0)
    return List(target) { index ->
        val centre = (index + start + 0.5) * step
        val first = max(ceil(centre - reach - 0.5).toInt(), 0)
        val last = min(floor(centre + reach - 0.5).toInt(), size - 1)
        val weights =
            DoubleArray(last - first + 1) {
                val distance = abs(first + it + 0.5 - centre) / widening
                if (isBicubic) cubic(distance) else max(1 - distance, 0.0)
            }
        val total = weights.sum()
        Span(first, FloatArray(weights.size) { (weights[it] / total).toFloat() })
    }
}

private fun cubic(x: Double): Double =
    when {
        x >= 2 -> 0.0
        x >= 1 -> ((-0.5 * x + 2.5) * x - 4) * x + 2
        else -> (1.5 * x - 2.5) * x * x + 1
    }

/** Returns the weighted sums along the middle axis of values of shape (lines, size, width). */
private fun weigh(values: FloatArray, lines: Int, size: Int, width: Int, axis: List<Span>): FloatArray {
    val result = FloatArray(lines * axis.size * width)
    for (line in 0 until lines) {
        axis.forEachIndexed { index, span ->
            val begin = (line * axis.size + index) * width
            span.weights.forEachIndexed { i, weight ->
                val from = (line * size + span.first + i) * width
                for (k in 0 until width) result[begin + k] += weight * values[from + k]
            }
        }
    }
    return result
}
