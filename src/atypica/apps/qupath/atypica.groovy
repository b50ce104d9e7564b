/*
 * Types the mitotic figures of the open image as normal (NMF) or atypical (AMF) with atypica.
 * Research use only, not a medical device.
 *
 * 1. Set ATYPICA below to the program (its full path; QuPath does not know your shell's).
 * 2. Say in CLASSES which objects are mitotic figures; an empty list takes all detections.
 * 3. Open the slide in a project, and run. For all slides of a project: Run > Run for project.
 *
 * It exports those objects, runs "atypica classify" on the image file, and imports the typed figures: detections of
 * the classes AMF, NMF, Not typed and Left out with their measurements, and the hotspot as a locked annotation.
 * The exported objects stay as they are. What an earlier run imported is replaced.
 *
 * Written for QuPath 0.4 to 0.6.
 */

import static qupath.lib.scripting.QP.*

// ---- settings ----
def ATYPICA = "atypica"
def CLASSES = ["Mitosis", "mitotic figure"]
def OPTIONS = []  // such as ["--min-detection-score", "0.5", "--threads", "8"]
def KEEP_OBJECTS = true  // false removes the exported objects once the typed figures are in
// ------------------

def FIGURE_CLASSES = ["AMF", "NMF", "Not typed", "Left out"]
def HOTSPOT_CLASS = "Hotspot"

def server = getCurrentServer()
def uris = server.getURIs()
if (uris.size() != 1 || uris.iterator().next().getScheme() != "file")
    throw new IllegalStateException("This image is not one file on this computer: atypica cannot read it")
def slide = new File(uris.iterator().next().getPath())

def className = { object -> object.getPathClass() == null ? "" : object.getPathClass().toString() }
// What an earlier run imported: detections of our classes, and locked annotations of the hotspot.
def isResult = { object ->
    object.isDetection() ? className(object) in FIGURE_CLASSES : className(object) == HOTSPOT_CLASS && object.isLocked()
}
def objects = (getDetectionObjects() + getAnnotationObjects())
def figures = objects.findAll { object ->
    !isResult(object) && (CLASSES.isEmpty() ? object.isDetection() : className(object) in CLASSES)
}
if (figures.isEmpty())
    throw new IllegalStateException("No objects of the classes " + CLASSES + ": set CLASSES in the script")

// ---- export ----
def base = getProject() == null ? slide.getParent() : PROJECT_BASE_DIR
def out = new File(buildFilePath(base, "atypica", slide.getName()))
mkdirs(out.getAbsolutePath())
def exported = new File(out, "detections.geojson").getAbsolutePath()
exportObjectsToGeoJson(figures, exported, "FEATURE_COLLECTION")

// ---- type ----
def command = [ATYPICA, "classify", slide.getAbsolutePath(), "--figures", exported, "--out", out.getAbsolutePath()]
// QuPath may know the pixel size where the file does not say it; atypica takes the file's own first.
def mpp = server.getPixelCalibration().getAveragedPixelSizeMicrons()
if (!Double.isNaN(mpp) && !OPTIONS.contains("--mpp"))
    command += ["--mpp", String.format(Locale.US, "%.6f", mpp)]
command += OPTIONS
println command.join(" ")
def builder = new ProcessBuilder(command.collect { it.toString() }).redirectErrorStream(true)
builder.environment().put("PYTHONIOENCODING", "utf-8")
def process
try {
    process = builder.start()
} catch (IOException e) {
    throw new IllegalStateException("Set ATYPICA in the script to the full path of the program: " + e.getMessage())
}
process.getInputStream().eachLine("UTF-8") { println it }
def status = process.waitFor()
// 0: all typed; 3: some figures failed, and say why.
if (status != 0 && status != 3)
    throw new IllegalStateException("atypica ended with status " + status + ": see the lines above")

// ---- import ----
removeObjects(objects.findAll { isResult(it) }, true)
importObjectsFromFile(new File(out, "figures.geojson").getAbsolutePath())
if (!KEEP_OBJECTS)
    removeObjects(figures, true)
fireHierarchyUpdate()
println "Typed the figures of " + figures.size() + " objects; tables, overview and report are in " + out
