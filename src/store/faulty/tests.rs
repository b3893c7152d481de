use super::*;

fn path() -> &'static Path {
    Path::new("folder/file")
}

fn written() -> (SimDisk, Arc<dyn DiskFile>) {
    let disk = SimDisk::new();
    let file = disk.create(path()).unwrap();
    disk.sync_folder(Path::new("folder")).unwrap();
    (disk, file)
}

#[test]
fn what_was_synced_survives_and_the_rest_may_be_torn_at_sectors() {
    let (disk, file) = written();
    file.write_all_at(&[1; 2_048], 0).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(&[2; 2_048], 0).unwrap();
    let at = disk.moment();
    assert_eq!(
        disk.after_cut(at, Survives::Nothing).bytes(path()).unwrap(),
        [1; 2_048]
    );
    assert_eq!(
        disk.after_cut(at, Survives::All).bytes(path()).unwrap(),
        [2; 2_048]
    );
    let torn = (0..64).any(|seed| {
        let bytes = disk.after_cut(at, Survives::Seed(seed)).bytes(path()).unwrap();
        assert!(
            bytes
                .chunks(SECTOR_BYTES)
                .all(|sector| sector.iter().all(|byte| *byte == sector[0]))
        );
        bytes.contains(&1) && bytes.contains(&2)
    });
    assert!(torn);
}

#[test]
fn after_a_failed_sync_the_bytes_are_read_back_and_no_later_sync_saves_them() {
    let (disk, file) = written();
    file.write_all_at(&[1; 10], 0).unwrap();
    disk.fail(Fault::Sync, 0);
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(disk.bytes(path()).unwrap(), [1; 10]);
    let cut = disk.after_cut(disk.moment(), Survives::All);
    assert_eq!(cut.bytes(path()).unwrap(), [0; 0]);
}

#[test]
fn a_name_is_durable_only_after_its_folder_was_synced() {
    let (disk, _file) = written();
    disk.rename(path(), Path::new("folder/other")).unwrap();
    let at = disk.moment();
    assert!(
        disk.after_cut(at, Survives::Nothing)
            .bytes(Path::new("folder/other"))
            .is_none()
    );
    disk.sync_folder(Path::new("folder")).unwrap();
    assert!(
        disk.after_cut(at + 1, Survives::Nothing)
            .bytes(Path::new("folder/other"))
            .is_some()
    );
}

#[test]
fn a_full_disk_refuses_what_does_not_fit_and_has_room_again_after_a_removal() {
    let (disk, file) = written();
    disk.set_free(Some(1_000));
    file.write_all_at(&[1; 800], 0).unwrap();
    let error = file.write_all_at(&[1; 400], 800).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    disk.remove(path()).unwrap();
    assert!(disk.free(Path::new("folder")).unwrap() >= 1_000);
}
