use std::env;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::job::address_space_left;

/// Environment variable that names the ONNX Runtime library.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// Why there is no usable ONNX Runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Nothing was found anywhere.
    #[error("no ONNX Runtime library was found; looked at:\n  {}", .0.join("\n  "))]
    NotFound(Vec<String>),
    /// The library that was asked for does not exist or cannot be loaded.
    #[error("cannot load ONNX Runtime from {path}: {problem}")]
    Load {
        /// The library.
        path: PathBuf,
        /// The loader's words.
        problem: String,
    },
    /// The library is older than this program needs.
    #[error("ONNX Runtime {found} at {path} is too old; 1.{needed} or later is needed")]
    TooOld {
        /// The library.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The minor version needed.
        needed: u32,
    },
    /// There is not enough memory for it, and it ends the process where it finds none.
    #[error("ONNX Runtime needs some {} MB of address space; {} MB are left", NEEDED >> 20, .0 >> 20)]
    Memory(u64),
    /// The library failed to start.
    #[error("ONNX Runtime does not start: {0}")]
    Start(String),
}

impl RuntimeError {
    /// The one command that mends it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Start(_) => return None,
            Self::Memory(_) => "raise the limit (`ulimit -v`, or the batch system's)".into(),
            _ => "run `make setup` in the mpra-score source folder, which fetches it; or name a library with --ort-lib FILE"
                .into(),
        })
    }
}

/// What the library and its first session take, with something to spare.
const NEEDED: u64 = 160 << 20;

/// ONNX Runtime, loaded once a process.
#[derive(Clone)]
pub struct Runtime {
    pub(super) environment: Environment,
    version: String,
    path: PathBuf,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ONNX Runtime {} at {}",
            self.version,
            self.path.display()
        )
    }
}

static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads ONNX Runtime from `library`, else from `ORT_DYLIB_PATH`, else from the first place
    /// that has it: the program's own folder, its parent's `lib`, the system. A process has one:
    /// later calls return the first.
    ///
    /// # Errors
    /// When there is none, it cannot be loaded, or it is too old. A library that was named
    /// (argument or variable) is not passed over for another.
    pub fn load(library: Option<&Path>) -> Result<Self, RuntimeError> {
        let mut loaded = LOADED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(runtime) = &*loaded {
            return Ok(runtime.clone());
        }
        let runtime = Self::start(&find(library)?)?;
        tracing::info!("{runtime:?}");
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library's version, such as `1.31.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn start(path: &Path) -> Result<Self, RuntimeError> {
        if let Some(left) = address_space_left().filter(|left| *left < NEEDED) {
            return Err(RuntimeError::Memory(left));
        }
        let version = version(path)?;
        let minor = version
            .split('.')
            .nth(1)
            .and_then(|m| m.parse::<u32>().ok());
        if minor.is_none_or(|m| m < ort::MINOR_VERSION) {
            return Err(RuntimeError::TooOld {
                path: path.into(),
                found: version,
                needed: ort::MINOR_VERSION,
            });
        }
        let environment = ort::init_from(path)
            .map_err(|e| RuntimeError::Load {
                path: path.into(),
                problem: e.to_string(),
            })?
            .with_name("mpra-score")
            .with_telemetry(false)
            .build()
            .map_err(|e| RuntimeError::Start(e.to_string()))?;
        // Its warnings are for model authors; errors come back as results.
        environment.set_log_level(LogLevel::Fatal);
        Ok(Self {
            environment,
            version,
            path: path.into(),
        })
    }
}

/// The version that a library says it has, without starting it.
fn version(path: &Path) -> Result<String, RuntimeError> {
    let fail = |problem: String| RuntimeError::Load {
        path: path.into(),
        problem,
    };
    // SAFETY: loading a library runs its initialisers; that is what the user asks for by naming it
    // or putting it where it is looked for. The entry point and both structures are those of ONNX
    // Runtime's stable C API, and the string is static in the library, which stays loaded while
    // it is read.
    unsafe {
        let library = libloading::Library::new(path).map_err(|e| {
            use std::error::Error;
            fail(
                e.source()
                    .map_or_else(|| e.to_string(), |source| source.to_string()),
            )
        })?;
        let entry: libloading::Symbol<unsafe extern "C" fn() -> *const ort::sys::OrtApiBase> =
            library
                .get(b"OrtGetApiBase")
                .map_err(|_| fail("it is not ONNX Runtime (no OrtGetApiBase)".into()))?;
        let base = entry();
        if base.is_null() {
            return Err(fail("OrtGetApiBase gave nothing".into()));
        }
        let text = ((*base).GetVersionString)();
        if text.is_null() {
            return Err(fail("it does not say its version".into()));
        }
        let version = CStr::from_ptr(text).to_string_lossy().into_owned();
        // Loaded again a moment later; keeping it open saves that work.
        std::mem::forget(library);
        Ok(version)
    }
}

fn find(library: Option<&Path>) -> Result<PathBuf, RuntimeError> {
    if let Some(path) = library {
        return named(path);
    }
    if let Some(path) = env::var_os(VARIABLE).filter(|v| !v.is_empty()) {
        return named(Path::new(&path));
    }
    let mut looked = vec![
        "--ort-lib (not given)".into(),
        format!("{VARIABLE} (not set)"),
    ];
    if let Some(folder) = env::current_exe()
        .ok()
        .and_then(|exe| exe.canonicalize().ok())
        .and_then(|exe| exe.parent().map(Path::to_path_buf))
    {
        for folder in [folder.clone(), folder.join("../lib")] {
            if let Some(path) = library_in(&folder) {
                return Ok(path);
            }
            looked.push(folder.join(plain_name()).display().to_string());
        }
    }
    // The system's own search path, by the names that distributions use.
    for name in [plain_name(), format!("{}.1", plain_name())] {
        // SAFETY: as in `version`.
        if unsafe { libloading::Library::new(&name) }
            .map(std::mem::forget)
            .is_ok()
        {
            return Ok(name.into());
        }
        looked.push(format!("{name} in the system's library path"));
    }
    Err(RuntimeError::NotFound(looked))
}

fn named(path: &Path) -> Result<PathBuf, RuntimeError> {
    path.canonicalize().map_err(|e| RuntimeError::Load {
        path: path.into(),
        problem: e.to_string(),
    })
}

/// `libonnxruntime.so` on Linux.
fn plain_name() -> String {
    format!(
        "{}onnxruntime{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    )
}

/// The library in a folder, with or without a version in its name.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join(plain_name());
    if plain.exists() {
        return plain.canonicalize().ok();
    }
    let mut versioned: Vec<PathBuf> = folder
        .read_dir()
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .and_then(|n| n.to_str())
                .is_some_and(|name| {
                    name.starts_with(&format!("{}.", plain_name()))
                        || (name.starts_with("libonnxruntime.") && name.ends_with(".dylib"))
                })
        })
        .collect();
    versioned.sort();
    versioned.pop()
}
