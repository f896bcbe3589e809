package org.reszoo.client

import android.content.Context
import android.graphics.Bitmap
import com.google.mediapipe.framework.image.BitmapImageBuilder
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.core.RunningMode
import com.google.mediapipe.tasks.vision.imageclassifier.ImageClassifier
import com.google.mediapipe.tasks.vision.imageclassifier.ImageClassifier.ImageClassifierOptions

/**
 * Classifies images with MediaPipe Tasks, which reads class names and normalisation from the file;
 * for RGB networks and all mobile-* targets.
 *
 * MediaPipe resizes in its own way. If the predictions must equal those of reszoo, give it a bitmap
 * of the network's input size, made from the pixels of [pixelsOf].
 */
class MediaPipeClassifier(context: Context, bundle: Bundle, top: Int = 3) : AutoCloseable {
    init {
        bundle.mediaPipeRefusal()?.let { throw IllegalArgumentException(it) }
    }

    private val classifier =
        ImageClassifier.createFromOptions(
            context,
            ImageClassifierOptions.builder()
                .setBaseOptions(
                    BaseOptions.builder().setModelAssetPath(bundle.modelPath).build()
                )
                .setRunningMode(RunningMode.IMAGE)
                .setMaxResults(top)
                .build(),
        )

    /** Returns the best classes of a bitmap of configuration ARGB_8888. */
    fun classify(bitmap: Bitmap): List<Answer> =
        classifier
            .classify(BitmapImageBuilder(bitmap).build())
            .classificationResult()
            .classifications()[0]
            .categories()
            .map { Answer(it.index(), it.categoryName(), it.score()) }

    override fun close() = classifier.close()
}
