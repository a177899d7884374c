use std::collections::HashMap;

use kymo_model::{Cause, Coverage, CoverageState, ObjectHead, Rv, Timestamp};

use super::{AuditInput, FeedMachine, Output};
use crate::live::Identity;
use crate::{Alarm, Delivery, Request};

/// Objects per page of an audit; they are metadata only.
const AUDIT_LIMIT: u32 = 500;

/// A comparison of the live objects with the server's at one version, while the watch goes on.
#[derive(Debug)]
pub(super) struct Audit {
    at: Rv,
    continue_token: Option<String>,
    /// At which version an object was live when the audit began, if it changed since; `None`: it
    /// was not live.
    changed: HashMap<Identity, Option<Rv>>,
    /// Objects that the server has in another version, or that are not live here.
    differing: usize,
    /// The feed stops when it is done.
    last: bool,
}

impl FeedMachine {
    /// Begins an audit at the position. Returns whether it could.
    pub(super) fn begin_audit(&mut self, now: Timestamp, last: bool) -> bool {
        self.next_audit = self
            .options
            .audit_every
            .map(|every| now.saturating_add(every));
        let observed = matches!(self.coverage, Some((CoverageState::Observed, _)));
        let Some(at) = self.position.clone().filter(|_| observed) else {
            return false;
        };
        self.live.begin_pass();
        self.audit = Some(Audit {
            at: at.clone(),
            continue_token: None,
            changed: HashMap::new(),
            differing: 0,
            last,
        });
        self.ask_for_audit_page(at, None);
        true
    }

    fn ask_for_audit_page(&mut self, at: Rv, continue_token: Option<String>) {
        self.counters.requests += 1;
        self.outputs.push_back(Output::Audit(Request::Audit {
            at,
            continue_token,
            limit: AUDIT_LIMIT,
        }));
    }

    pub(super) fn drop_audit(&mut self) {
        if self.audit.take().is_some() {
            self.outputs.push_back(Output::HangUpAudit);
        }
    }

    /// Remembers at which version an object is, before it changes.
    pub(super) fn note_change(&mut self, identity: &Identity) {
        if let Some(audit) = &mut self.audit
            && !audit.changed.contains_key(identity)
        {
            let before = self.live.version(identity);
            audit.changed.insert(identity.clone(), before);
        }
    }

    pub(super) fn on_audit(&mut self, now: Timestamp, input: &AuditInput<'_>) {
        let Some(audit) = &mut self.audit else {
            return;
        };
        match input {
            AuditInput::Page(head) if head.rv == audit.at => {
                audit.continue_token.clone_from(&head.continue_token);
            }
            AuditInput::Page(_) | AuditInput::Failed(_) => self.abandon_audit(now),
            AuditInput::Item(text) => {
                let head = ObjectHead::parse(text).ok();
                match head
                    .as_ref()
                    .and_then(|head| Some((head, head.rv.as_ref()?)))
                {
                    Some((head, rv)) => self.audit_object(&Identity::of(&head.key()), rv),
                    // What cannot be read cannot be compared.
                    None => self.abandon_audit(now),
                }
            }
            AuditInput::PageEnd => {
                if let Some(token) = audit.continue_token.take() {
                    let at = audit.at.clone();
                    self.ask_for_audit_page(at, Some(token));
                } else {
                    self.finish_audit(now);
                }
            }
        }
    }

    /// The server cannot list at that version (410, 400): left out this time.
    fn abandon_audit(&mut self, now: Timestamp) {
        let last = self.audit.as_ref().is_some_and(|audit| audit.last);
        self.drop_audit();
        if last {
            self.finish_stop(now);
        }
    }

    fn audit_object(&mut self, identity: &Identity, rv: &Rv) {
        let Some(audit) = &mut self.audit else {
            return;
        };
        let same = match audit.changed.get(identity) {
            Some(before) => before.as_ref() == Some(rv),
            None => self.live.is_at(identity, rv),
        };
        if !same {
            audit.differing += 1;
        }
        self.live.meet(identity);
    }

    fn finish_audit(&mut self, now: Timestamp) {
        let Some(audit) = self.audit.take() else {
            return;
        };
        self.counters.audits += 1;
        let gone: Vec<Identity> = self
            .live
            .unmet()
            .into_iter()
            .map(|(_, identity)| identity)
            .filter(|identity| !audit.changed.contains_key(identity))
            .collect();
        let objects = audit.differing + gone.len();
        if objects == 0 {
            self.verified = Some((audit.at, now));
        } else {
            self.on_discrepancy(now, &audit, &gone);
        }
        if audit.last {
            self.finish_stop(now);
        } else if audit.differing > 0 {
            // A list at the position shows what was missed; the watch then goes on from there.
            self.relist.at.clone_from(&self.position);
            self.relist.repairs = true;
            self.begin_list(now);
        }
    }

    fn on_discrepancy(&mut self, now: Timestamp, audit: &Audit, gone: &[Identity]) {
        let objects = audit.differing + gone.len();
        self.counters.discrepancies += objects as u64;
        self.counters.gaps += 1;
        self.alarm(Alarm::Discrepancy {
            at: audit.at.clone(),
            objects,
        });
        let (from_rv, from_ts) = self.verified.clone().unzip();
        self.deliver(Delivery::Gap(Coverage {
            feed: Some(self.id),
            epoch: self.epoch,
            session: 0,
            state: CoverageState::Uncertain,
            cause: Cause::Discrepancy,
            from_rv,
            to_rv: self.position.clone(),
            from_seq: None,
            to_seq: None,
            from_ts,
            to_ts: Some(now),
            detail: Some(format!(
                "at version {} the server had {} objects in other versions and {} not at all",
                audit.at,
                audit.differing,
                gone.len()
            )),
        }));
        for identity in gone {
            self.infer_delete(now, identity, from_ts);
        }
        if audit.differing == 0 {
            self.verified = Some((audit.at.clone(), now));
        }
    }
}
