//! Rows of `installer` and `installer_terms`.

use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use tenantry_domain::{
    AccountId, Document, Email, Error, Installer, InstallerConsent, InstallerId, InstallerProfile, InstallerTerms, Instant,
    Realm, Result, fold,
};
use tenantry_entity::installer::{ActiveModel, Column, Entity, Model};
use tenantry_entity::{auth_user, installer_terms};
use uuid::Uuid;

use super::{begins_with, corrupt, stamp, stamped, storage, taken};
use crate::installer_review::InstallerFilter;

/// One installer; with `lock`, nobody changes it before the end of the transaction.
pub(crate) async fn get(db: &impl ConnectionTrait, account: AccountId, id: InstallerId, lock: bool) -> Result<Option<Installer>> {
    let query = Entity::find_by_id((account.as_str().to_owned(), id.0));
    let query = if lock { query.lock_exclusive() } else { query };
    query.one(db).await.map_err(storage)?.map(record).transpose()
}

/// The installer with this address; with `lock`, nobody changes it before the end of the transaction.
pub(crate) async fn by_email(
    db: &impl ConnectionTrait,
    account: AccountId,
    email: &Email,
    lock: bool,
) -> Result<Option<Installer>> {
    let query = Entity::find().filter(Column::AccountId.eq(account.as_str())).filter(Column::EmailKey.eq(email.key()));
    let query = if lock { query.lock_exclusive() } else { query };
    query.one(db).await.map_err(storage)?.map(record).transpose()
}

/// Installers by id.
pub(crate) async fn page(db: &impl ConnectionTrait, account: AccountId, filter: &InstallerFilter) -> Result<Vec<Installer>> {
    let mut query = Entity::find().filter(Column::AccountId.eq(account.as_str()));
    if let Some(verification) = filter.verification {
        query = query.filter(Column::Verification.eq(verification.as_str()));
    }
    if let Some(suspended) = filter.suspended {
        query = query.filter(Column::Suspended.eq(suspended));
    }
    if let Some(search) = &filter.search {
        query = query.filter(begins_with(Column::EmailKey, &fold(search)));
    }
    if let Some(after) = filter.after {
        query = query.filter(Column::Id.gt(after.0));
    }
    let rows = query.order_by_asc(Column::Id).limit(filter.limit).all(db).await.map_err(storage)?;
    rows.into_iter().map(record).collect()
}

/// A new installer; `email_taken` if there is one with its address.
pub(crate) async fn insert(db: &impl ConnectionTrait, account: AccountId, installer: &Installer) -> Result<()> {
    let row = columns(account, installer);
    Entity::insert(row).exec_without_returning(db).await.map_err(|error| email_taken(taken("email")(error)))?;
    Ok(())
}

/// What a taken address is called here.
pub(crate) fn email_taken(error: Error) -> Error {
    if matches!(error, Error::Duplicate(_)) { Error::EmailTaken } else { error }
}

/// Replaces an installer.
pub(crate) async fn update(db: &impl ConnectionTrait, account: AccountId, installer: &Installer) -> Result<()> {
    columns(account, installer).update(db).await.map_err(storage)?;
    Ok(())
}

/// Forgets an installer wholly, with its password, its links and the letters to it. Its address is free again.
pub(crate) async fn remove(db: &impl ConnectionTrait, account: AccountId, id: InstallerId) -> Result<()> {
    Entity::delete_by_id((account.as_str().to_owned(), id.0)).exec(db).await.map_err(storage)?;
    let user = auth_user::Entity::delete_many()
        .filter(auth_user::Column::AccountId.eq(account.as_str()))
        .filter(auth_user::Column::Id.eq(id.0))
        .filter(auth_user::Column::Realm.eq(Realm::Installers.as_str()));
    user.exec(db).await.map_err(storage)?;
    super::outbox::forget(db, account, &[id.0]).await?;
    super::challenges::forget(db, account, &[id.0]).await
}

/// Forgets installers of all accounts that never confirmed their address, at most so many; how many those were.
pub(crate) async fn prune(db: &impl ConnectionTrait, now: Instant, limit: u64) -> Result<usize> {
    let expired = Entity::find().filter(Column::PendingUntil.lte(now.micros())).order_by_asc(Column::Id);
    let expired = expired.limit(limit).lock_exclusive();
    let expired = expired.all(db).await.map_err(storage)?;
    for row in &expired {
        remove(db, row.account_id.parse().map_err(corrupt)?, InstallerId(row.id)).await?;
    }
    Ok(expired.len())
}

/// The terms that count now.
pub(crate) async fn current_terms(db: &impl ConnectionTrait, account: AccountId) -> Result<Option<InstallerTerms>> {
    use installer_terms::{Column, Entity};
    let latest = Entity::find().filter(Column::AccountId.eq(account.as_str())).order_by_desc(Column::Id);
    latest.one(db).await.map_err(storage)?.map(terms_record).transpose()
}

/// All versions by id, after `after`.
pub(crate) async fn terms(
    db: &impl ConnectionTrait,
    account: AccountId,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<InstallerTerms>> {
    use installer_terms::{Column, Entity};
    let mut query = Entity::find().filter(Column::AccountId.eq(account.as_str()));
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after));
    }
    let rows = query.order_by_asc(Column::Id).limit(limit).all(db).await.map_err(storage)?;
    rows.into_iter().map(terms_record).collect()
}

/// A new version; `duplicate` if there is one of that name.
pub(crate) async fn insert_terms(db: &impl ConnectionTrait, account: AccountId, terms: &InstallerTerms) -> Result<()> {
    let row = installer_terms::ActiveModel {
        account_id: Set(account.into()),
        id: Set(terms.id),
        version: Set(terms.version.as_str().to_owned()),
        url: Set(terms.url.clone()),
        created_at: Set(terms.published_at.micros()),
        created_by: Set(terms.published_by.clone()),
    };
    installer_terms::Entity::insert(row).exec_without_returning(db).await.map_err(taken("version"))?;
    Ok(())
}

fn terms_record(row: installer_terms::Model) -> Result<InstallerTerms> {
    Ok(InstallerTerms {
        id: row.id,
        version: row.version.parse().map_err(corrupt)?,
        url: row.url,
        published_at: Instant::from_micros(row.created_at),
        published_by: row.created_by,
    })
}

fn columns(account: AccountId, installer: &Installer) -> ActiveModel {
    let text = |text: &str| Set(text.to_owned());
    let document = installer.document.as_ref().map(|(document, _)| document);
    let consent = installer.consent.as_ref();
    let mut row = ActiveModel {
        account_id: Set(account.into()),
        id: Set(installer.id.0),
        email_key: text(installer.email.key()),
        email: text(installer.email.as_str()),
        first_name: text(installer.profile.first_name.as_str()),
        last_name: text(installer.profile.last_name.as_str()),
        company: text(installer.profile.company.as_str()),
        phone: Set(installer.profile.phone.clone()),
        pending_until: Set(installer.pending_until.map(Instant::micros)),
        suspended: Set(installer.suspended),
        verification: text(installer.verification.as_str()),
        document_type: Set(document.map(|document| document.kind.as_str().to_owned())),
        document_number: Set(document.map(|document| document.number.clone())),
        document_expiry: Set(document.map(|document| document.expiry.clone())),
        selfie_url: Set(document.map(|document| document.selfie_url.clone())),
        document_front_url: Set(document.map(|document| document.front_url.clone())),
        document_back_url: Set(document.and_then(|document| document.back_url.clone())),
        submitted_at: Set(installer.document.as_ref().map(|(_, at)| at.micros())),
        reviewed_at: Set(installer.reviewed.as_ref().map(|(_, at)| at.micros())),
        reviewed_by: Set(installer.reviewed.as_ref().map(|(by, _)| by.clone())),
        rejection_reason: Set(installer.rejection_reason.as_ref().map(|reason| reason.as_str().to_owned())),
        terms_version: Set(consent.map(|consent| consent.version.clone())),
        terms_accepted_at: Set(consent.map(|consent| consent.at.micros())),
        terms_address: Set(consent.and_then(|consent| consent.address.clone())),
        ..Default::default()
    };
    stamped!(row, &installer.stamp);
    row
}

fn record(row: Model) -> Result<Installer> {
    let instant = |at: Option<i64>| at.map(Instant::from_micros);
    let document = match (row.document_type, row.document_number, row.document_expiry, row.selfie_url, row.document_front_url) {
        (Some(kind), Some(number), Some(expiry), Some(selfie_url), Some(front_url)) => {
            let kind = kind.parse().map_err(corrupt)?;
            let document = Document { kind, number, expiry, selfie_url, front_url, back_url: row.document_back_url };
            Some((document, instant(row.submitted_at).ok_or_else(|| corrupt("a document without its time"))?))
        }
        _ => None,
    };
    let consent = row.terms_version.zip(instant(row.terms_accepted_at));
    Ok(Installer {
        id: InstallerId(row.id),
        stamp: stamp(row.created_at, row.created_by, row.updated_at, row.deleted_at, row.deleted_by),
        email: row.email.parse().map_err(corrupt)?,
        profile: InstallerProfile {
            first_name: row.first_name.parse().map_err(corrupt)?,
            last_name: row.last_name.parse().map_err(corrupt)?,
            company: row.company.parse().map_err(corrupt)?,
            phone: row.phone,
        },
        pending_until: instant(row.pending_until),
        suspended: row.suspended,
        verification: row.verification.parse().map_err(corrupt)?,
        document,
        reviewed: row.reviewed_by.zip(instant(row.reviewed_at)),
        rejection_reason: row.rejection_reason.map(|reason| reason.parse().map_err(corrupt)).transpose()?,
        consent: consent.map(|(version, at)| InstallerConsent { version, at, address: row.terms_address }),
    })
}
