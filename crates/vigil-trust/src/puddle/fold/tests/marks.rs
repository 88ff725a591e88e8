//! How far the feeds of a revoked machine count, whatever its thief signs.

use super::*;

/// Whether a batch counts where some are known.
pub(super) fn counts(view: &View, known: &[&Batch], batch: &Batch) -> bool {
    let kept = KeptBatches::of(view, known.iter().map(|batch| batch.signed_header()));
    view.counts(&kept, &batch.header().feed, &batch.id())
}

/// Whether an entry counts where its whole feed is known.
pub(super) fn counts_at(view: &View, machine: u8, incarnation: u8, position: usize) -> bool {
    let batches = batches(&key(machine), incarnation, None, &SAID);
    counts(view, &batches.iter().collect::<Vec<_>>(), &batches[position])
}

/// A puddle whose Person has revoked machine 1, with these marks in as many revocations.
fn revoked(marks: &[Vec<FeedMark>]) -> View {
    let mut history = History::new();
    history.add(1);
    let before = history.heads();
    for kept in marks {
        history.push_after(PERSON, &before, revoke_at(1, kept.clone()));
    }
    history.view()
}

fn said(before: Option<&Batch>, entries: &[&str]) -> Vec<Batch> {
    batches(&key(1), 7, before, entries)
}

#[test]
fn only_what_leads_to_the_mark_counts_whatever_else_is_signed_below_it() {
    let honest = said(None, &SAID);
    let view = revoked(&[Vec::from([mark(&honest[3])])]);
    let forged = said(None, &["x", "y", "z", "v", "w"]);
    let late = said(Some(&honest[1]), &["z", "v", "w"]);
    let rival = said(None, &["only this"]);
    let all: Vec<&Batch> = honest.iter().chain(&forged).chain(&late).chain(&rival).collect();
    for batch in &all {
        let is_kept = honest[..4].contains(batch);
        assert_eq!(counts(&view, &all, batch), is_kept, "{:?}", batch.header());
    }
    // Where the honest feed is not known, or not as far as the mark, nothing stands in for it.
    for known in [&forged, &late] {
        let known: Vec<&Batch> = honest[..2].iter().chain(known).collect();
        assert!(known.iter().all(|batch| !counts(&view, &known, batch)));
    }
    for missing in 0..4 {
        let known: Vec<&Batch> =
            honest.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, it)| it).collect();
        assert!(known.iter().all(|batch| !counts(&view, &known, batch)), "without {missing}");
    }
}

#[test]
fn a_mark_whose_parts_do_not_fit_keeps_nothing() {
    let honest = said(None, &SAID);
    let known: Vec<&Batch> = honest.iter().collect();
    let sound = mark(&honest[3]);
    let other_life = batches(&key(1), 8, None, &SAID);
    let other_machine = batches(&key(2), 7, None, &SAID);
    for wrong in [
        FeedMark { next: sound.next + 1, ..sound },
        FeedMark { next: sound.next - 1, ..sound },
        FeedMark { incarnation: Incarnation([8; 16]), ..sound },
        FeedMark { last: Vcid::of(b"nothing"), ..sound },
        FeedMark { last: other_life[3].id(), ..sound },
        FeedMark { last: other_machine[3].id(), ..sound },
    ] {
        let all: Vec<&Batch> =
            known.iter().copied().chain(&other_life).chain(&other_machine).collect();
        let view = revoked(&[Vec::from([wrong])]);
        let kept = |batch: &&&Batch| counts(&view, &all, batch);
        assert_eq!(all.iter().filter(kept).count(), 0, "{wrong:?}");
    }
}

#[test]
fn of_several_marks_the_one_that_keeps_least_counts() {
    let honest = said(None, &SAID);
    let forged = said(None, &["x", "y", "z", "v", "w"]);
    let all: Vec<&Batch> = honest.iter().chain(&forged).collect();
    let kept = |marks: &[Vec<FeedMark>]| {
        let view = revoked(marks);
        all.iter().map(|batch| usize::from(counts(&view, &all, batch))).sum::<usize>()
    };
    let at = |batch: &Batch| Vec::from([mark(batch)]);
    assert_eq!(kept(&[at(&honest[3]), at(&honest[1])]), 2);
    assert_eq!(kept(&[at(&honest[3]), at(&honest[3])]), 4);
    assert_eq!(kept(&[at(&honest[3]), at(&forged[1])]), 2);
    // Nobody can tell which of two at one position was meant, unless another one lies below both.
    assert_eq!(kept(&[at(&honest[3]), at(&forged[3])]), 0);
    assert_eq!(kept(&[at(&honest[3]), at(&forged[3]), at(&honest[0])]), 1);
    // One that names no mark keeps nothing.
    assert_eq!(kept(&[at(&honest[3]), Vec::new()]), 0);
}
