package org.reszoo.client

import android.content.res.AssetManager
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import org.json.JSONObject

/** A bundle in the app's assets, as `reszoo export` wrote it. */
class Bundle(private val assets: AssetManager, val folder: String) {
    val contract = JSONObject(String(read("contract.json")))

    init {
        require(contract.getString("format") == "reszoo contract") {
            "$folder/contract.json is not a reszoo contract"
        }
        require(contract.getInt("format_version") in 2..3) {
            "$folder/contract.json has an unsupported format_version"
        }
    }

    private val tflite: JSONObject = contract.getJSONObject("files").getJSONObject("tflite")
    private val vectors: JSONObject =
        contract.getJSONObject("example").getJSONObject("vectors").getJSONObject("tflite")

    val preprocessing: JSONObject = contract.getJSONObject("preprocessing")
    val labels: List<String> =
        String(readChecked(contract.getJSONObject("classes").getString("file"))).lines()
            .filter(String::isNotEmpty)
    val model: ByteArray = readChecked(tflite.getString("path"))
    val modelPath: String = "$folder/${tflite.getString("path")}"
    val tolerance: Double = vectors.getDouble("tolerance")

    /** Whether input and output are float32: pixels 0..255 in, probabilities out. */
    val isFloat: Boolean =
        listOf("inputs", "outputs").all {
            tflite.getJSONArray(it).getJSONObject(0).getString("dtype") == "float32"
        }

    /** Returns the golden input of a float file; `goldenOutput` is its output. */
    fun goldenInput(): FloatArray = floats(vectors.getString("input"))

    fun goldenOutput(): FloatArray = floats(vectors.getString("output"))

    /** Returns why MediaPipe does not open the file, or null if it does. */
    fun mediaPipeRefusal(): String? {
        val entry = tflite.getJSONObject("mediapipe")
        return if (entry.getBoolean("opens")) null else entry.getString("why")
    }

    private fun read(name: String): ByteArray = assets.open("$folder/$name").use { it.readBytes() }

    private fun readChecked(name: String): ByteArray {
        val content = read(name)
        val digest = MessageDigest.getInstance("SHA-256").digest(content)
        val hash = digest.joinToString("") { "%02x".format(it.toInt() and 0xff) }
        check(hash == contract.getJSONObject("sha256").getString(name)) {
            "$name is not the file that contract.json describes"
        }
        return content
    }

    /** Returns the values of a float32 .npy file of format version 1. */
    private fun floats(name: String): FloatArray {
        val bytes = ByteBuffer.wrap(readChecked(name)).order(ByteOrder.LITTLE_ENDIAN)
        bytes.position(10 + bytes.getShort(8))
        val values = bytes.slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(values.remaining()).also { values.get(it) }
    }
}

/** A class, its name and its probability. */
data class Answer(val index: Int, val name: String, val probability: Float)
