//! The Hugging Face cache on this machine: read where other programs have filled it, filled so that they can read it.
//!
//! ```text
//! <cache>/models--org--name/refs/main                          the commit that "main" was when last fetched
//!                           snapshots/<commit>/tokenizer.json  -> ../../blobs/<etag>
//!                           blobs/<etag>                       the bytes
//! ```
//! The layout is that of the `huggingface_hub` library, version 1.

use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;

use super::hub::Fetched;

/// A cache folder, whether it exists or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache in the folder `root`, that which holds the `models--*` folders.
    pub fn new(root: PathBuf) -> Cache {
        Cache { root }
    }

    /// The file `name` of `model`: in the folder of that name, when the model's name is one, else in the newest
    /// snapshot of its main branch.
    pub fn find(&self, model: &str, name: &str) -> Option<PathBuf> {
        let in_folder = Path::new(model).join(name);
        if Path::new(model).is_absolute() {
            return in_folder.is_file().then_some(in_folder);
        }
        let repository = self.repository(model)?;
        let commit = fs::read_to_string(repository.join("refs/main")).ok()?;
        let path = repository.join("snapshots").join(plain(commit.trim())?).join(name);
        path.is_file().then_some(path)
    }

    /// Keeps `file` as the file `name` of `model`. Whoever reads at the same time sees all of it or nothing.
    ///
    /// # Errors
    /// When the hub did not say which commit the file is of, or when it cannot be written.
    pub fn store(&self, model: &str, name: &str, file: &Fetched) -> anyhow::Result<()> {
        let repository = self.repository(model).context("the model's name is none of the hub's")?;
        let commit = file.commit.as_deref().and_then(plain).context("the hub did not name the commit")?;
        let etag = file.etag.as_deref().and_then(plain).context("the hub did not name the file's etag")?;
        let (blobs, snapshot) = (repository.join("blobs"), repository.join("snapshots").join(commit));
        let refs = repository.join("refs");
        for folder in [&blobs, &snapshot, &refs] {
            fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        write_whole(&blobs.join(etag), &file.bytes)?;
        let link = snapshot.join(name);
        if !link.exists() {
            // A link that leads nowhere is a blob someone has deleted.
            let _ = fs::remove_file(&link);
            let target = Path::new("../../blobs").join(etag);
            std::os::unix::fs::symlink(target, &link).with_context(|| format!("linking {}", link.display()))?;
        }
        write_whole(&refs.join("main"), commit.as_bytes())
    }

    /// The folder of `model`, unless that is not the name of a model on the hub.
    fn repository(&self, model: &str) -> Option<PathBuf> {
        let parts: Vec<&str> = model.split('/').map(plain).collect::<Option<_>>()?;
        matches!(parts.len(), 1 | 2).then(|| self.root.join(format!("models--{}", parts.join("--"))))
    }
}

/// `name`, if it is a plain file name: what a server or a hub says shall not lead out of the cache.
fn plain(name: &str) -> Option<&str> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == name && !name.contains(['\\', ':', '"']) => Some(name),
        _ => None,
    }
}

/// Writes a file beside `path` and moves it there.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let doing = || format!("writing {}", path.display());
    let folder = path.parent().with_context(doing)?;
    let partial =
        folder.join(format!(".{}.{}.partial", path.file_name().unwrap_or_default().display(), std::process::id()));
    let written = fs::File::create(&partial)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written.with_context(doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(commit: &str, etag: &str) -> Fetched {
        Fetched { bytes: b"{}".to_vec(), commit: Some(commit.to_owned()), etag: Some(etag.to_owned()) }
    }

    #[test]
    fn what_is_kept_is_found_and_laid_out_as_other_programs_expect() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("hub"));
        assert_eq!(cache.find("org/name", "tokenizer.json"), None);
        cache.store("org/name", "tokenizer.json", &file("c0ffee", "abc")).unwrap();
        let repository = folder.path().join("hub/models--org--name");
        let snapshot = repository.join("snapshots/c0ffee/tokenizer.json");
        assert_eq!(cache.find("org/name", "tokenizer.json"), Some(snapshot.clone()));
        assert_eq!(fs::read_to_string(repository.join("refs/main")).unwrap(), "c0ffee");
        assert_eq!(fs::read_link(snapshot).unwrap(), Path::new("../../blobs/abc"));
        assert_eq!(fs::read(repository.join("blobs/abc")).unwrap(), b"{}");
        let left: Vec<_> = fs::read_dir(repository.join("blobs")).unwrap().collect();
        assert_eq!(left.len(), 1, "no partial file is left");
    }

    #[test]
    fn a_newer_commit_takes_the_place_of_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        for commit in ["one", "two", "two"] {
            cache.store("org/name", "tokenizer.json", &file(commit, commit)).unwrap();
        }
        let found = cache.find("org/name", "tokenizer.json").unwrap();
        assert!(found.ends_with("snapshots/two/tokenizer.json"), "{}", found.display());
    }

    #[test]
    fn names_that_lead_out_of_the_cache_are_no_names() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("hub"));
        for model in ["../evil", "a/../b", "a/b/c", "", "/", "a//b", "llama3:8b", "."] {
            assert!(cache.store(model, "tokenizer.json", &file("c", "e")).is_err(), "{model}");
            assert_eq!(cache.find(model, "tokenizer.json"), None, "{model}");
        }
        for (commit, etag) in [("../../up", "e"), ("c", "../up"), ("", "e"), ("c", "..")] {
            assert!(cache.store("org/name", "tokenizer.json", &file(commit, etag)).is_err(), "{commit} {etag}");
        }
    }

    #[test]
    fn a_model_served_from_a_folder_is_found_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
        let model = folder.path().to_str().unwrap();
        let cache = Cache::new(folder.path().join("hub"));
        assert_eq!(cache.find(model, "tokenizer.json"), Some(folder.path().join("tokenizer.json")));
        assert_eq!(cache.find(model, "tokenizer_config.json"), None);
    }
}
