// Lines to add to the build.gradle.kts that Android Studio generated for the app.
android {
    defaultConfig { minSdk = 28 }  // ImageDecoder
    // A compressed .tflite cannot be mapped into memory.
    androidResources { noCompress += "tflite" }
}

dependencies {
    implementation("com.google.ai.edge.litert:litert:2.3.0")
    // Pin the release that you have tested.
    implementation("com.google.mediapipe:tasks-vision:latest.release")
}
