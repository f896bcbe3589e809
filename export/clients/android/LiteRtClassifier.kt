package org.reszoo.client

import android.content.res.AssetManager
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import kotlin.math.abs

/**
 * Classifies images with LiteRT's CompiledModel, for the targets mobile-float32, mobile-float16 and
 * mobile-dynamic, whose input and output are float32.
 */
class LiteRtClassifier(
    assets: AssetManager,
    private val bundle: Bundle,
    accelerator: Accelerator = Accelerator.CPU,
) : AutoCloseable {
    init {
        require(bundle.isFloat) { "use MediaPipeClassifier: input or output is an integer" }
    }

    private val model =
        CompiledModel.create(assets, bundle.modelPath, CompiledModel.Options(accelerator), null)
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    /** Returns one probability per class for pixels 0..255 of shape (height, width, channels). */
    fun probabilities(pixels: FloatArray): FloatArray {
        inputs[0].writeFloat(pixels)
        model.run(inputs, outputs)
        return outputs[0].readFloat()
    }

    fun classify(bitmap: Bitmap, top: Int = 3): List<Answer> {
        val found = probabilities(pixelsOf(bitmap, bundle.preprocessing))
        return found.indices.sortedByDescending { found[it] }.take(top).map {
            Answer(it, bundle.labels[it], found[it])
        }
    }

    /**
     * Compares the output for the golden vector with the contract's: call it once on a new phone. A
     * GPU computes in float16 and may need a larger tolerance.
     */
    fun checkGolden(tolerance: Double = bundle.tolerance) {
        val found = probabilities(bundle.goldenInput())
        val expected = bundle.goldenOutput()
        val largest = found.indices.maxOf { abs(found[it] - expected[it]).toDouble() }
        check(largest <= tolerance) {
            "the golden vector differs by $largest; the limit is $tolerance"
        }
    }

    /** Returns the median time of one image in milliseconds, after a warm-up. */
    fun medianMilliseconds(repeats: Int = 50): Double {
        val pixels = bundle.goldenInput()
        repeat(repeats / 10) { probabilities(pixels) }
        val times =
            List(repeats) {
                val start = System.nanoTime()
                probabilities(pixels)
                (System.nanoTime() - start) / 1e6
            }
        return times.sorted()[repeats / 2]
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
    }
}
