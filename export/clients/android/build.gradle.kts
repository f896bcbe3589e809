// What an app's build.gradle.kts needs; the rest of it is as Android Studio writes it.
android {
    defaultConfig { minSdk = 28 }  // ImageDecoder
    // A compressed .tflite cannot be mapped into memory.
    androidResources { noCompress += "tflite" }
}

dependencies {
    implementation("com.google.ai.edge.litert:litert:2.3.0")
    // Pin the release that you have checked.
    implementation("com.google.mediapipe:tasks-vision:latest.release")
}
