/** Camera and microphone of this device. */

const WANTED: MediaStreamConstraints[] = [
  { audio: { echoCancellation: true, noiseSuppression: true }, video: { width: { ideal: 1280 }, height: { ideal: 720 } } },
  { audio: true },
  { video: true },
]

/** Both, else the microphone alone, else the camera alone, else nothing. */
export async function cameraAndMicrophone(): Promise<MediaStream | null> {
  for (const wanted of WANTED) {
    const stream = await navigator.mediaDevices?.getUserMedia(wanted).catch(() => null)
    if (stream) return stream
  }
  return null
}
