use tenantry_domain::{AccountId, Audience, ClientInput, Document, InstallerProfile, Link, Phone, PublicUrl};
use tenantry_test_properties::Property;
use url::{Host, Url};

fn public() -> PublicUrl {
    PublicUrl::parse("https://id.example.com").unwrap()
}

#[test]
fn an_audience_is_read_as_it_is_printed_and_is_nobody_elses() {
    let likely = "https://(([PT][0-9]{3}(00000)?)@)?(id.example.com|ID.EXAMPLE.COM|id.example.com.|elsewhere.example)(:443|:8443)?/v1/accounts/[PT]([0-9]{3}|[0-9]{8})[/?#]?";
    Property::new("audience").of_text(likely, |text| {
        let Ok(audience) = Audience::parse(text, &public()) else { return };
        assert_eq!(Audience::parse(&audience.text(&public()), &public()), Ok(audience.clone()));
        assert_eq!(Audience::from_stored(audience.stored()), audience);
        match audience {
            Audience::Account(id) => {
                // Whatever stands before it, the account is what the text ends with.
                let last = text.rsplit('/').next().unwrap();
                assert_eq!(AccountId::parse_owner(last), Ok(id), "{text}");
                assert!(text.to_ascii_lowercase().contains("id.example.com"));
            }
            Audience::Elsewhere(uri) => {
                assert_eq!(&*uri, text);
                assert_ne!(Url::parse(text).unwrap().origin(), Url::parse("https://id.example.com").unwrap().origin());
            }
        }
    });
}

#[test]
fn a_public_url_is_read_as_it_is_printed() {
    Property::new("public-url").of_text("https?://[a-zA-Zæ0-9.-]{1,12}(:[0-9]{1,5})?/?", |text| {
        let Ok(public) = PublicUrl::parse(text) else { return };
        assert_eq!(PublicUrl::parse(&public.to_string()), Ok(public.clone()));
        let id = "T11200001".parse().unwrap();
        assert_eq!(public.account(id), format!("{public}/v1/accounts/T11200001"));
        assert_eq!(Audience::parse(&public.account(id), &public), Ok(Audience::Account(id)));
    });
}

/// The host that somebody sees who takes an URL apart by hand.
fn host(text: &str) -> &str {
    let (_, rest) = text.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[test]
fn nobody_reads_a_callback_otherwise() {
    let likely = "(https?|HTTPS)://?(localhost|127.0.0.1|\\[::1\\]|[a-zA-Z0-9.%@\\[-]{1,12})(:[0-9]{1,5})?(/[a-z?#@:.]{0,8})?";
    Property::new("callback").of_text(likely, |text| {
        let Ok(kept) = ClientInput::callback(text) else { return };
        assert_eq!(kept, text);
        let url = Url::parse(text).unwrap();
        let seen = host(text).to_ascii_lowercase();
        assert_eq!(url.host_str(), Some(&seen[..]), "{text}");
        assert!(url.scheme() == "https" || ["localhost", "[::1]"].contains(&&seen[..]) || seen.starts_with("127."), "{text}");
        assert!(!text.contains('#') && !text.contains(|c: char| c.is_control() || c.is_whitespace()));
        assert_eq!(ClientInput::callback(url.as_str()).as_deref(), Ok(url.as_str()));
    });
}

#[test]
fn a_picture_is_where_it_says() {
    Property::new("document-url").of_text("https://[a-zæ.@:]{1,12}(/[a-zæ?#]{0,8})?", |text| {
        let Ok(kept) = Document::<()>::url(text) else { return };
        let url = Url::parse(text).unwrap();
        assert_eq!(kept, text);
        assert!(url.scheme() == "https" && url.username().is_empty() && url.password().is_none() && text.len() <= 2048);
        assert_eq!(url.host().map(|host| host.to_owned()), Host::parse(host(text)).ok(), "{text}");
    });
}

#[test]
fn a_link_is_read_as_it_is_printed() {
    let (public, account) = (public(), "T11200001".parse().unwrap());
    let likely = "(tel:|mailto:|https://id.example.com/v1/accounts/T11200001/customers/users/)[a-zA-Z0-9@.+%å -]{1,16}";
    Property::new("link").of_text(likely, move |text| {
        for (read, of) in [
            (Link::customer(text, &public, account), "https://id.example.com/v1/accounts/T11200001/customers/users/"),
            (Link::phone(text), "tel:"),
            (Link::email(text), "mailto:"),
        ] {
            let Ok(link) = read else { continue };
            assert!(text.starts_with(of), "{text}");
            let href = link.href(&public, account);
            let again = match &link {
                Link::Customer(_) => Link::customer(&href, &public, account),
                Link::Phone(_) => Link::phone(&href),
                Link::Email(_) => Link::email(&href),
            };
            assert_eq!(again, Ok(link), "{href}");
        }
    });
}

#[test]
fn every_customer_has_a_link_that_leads_to_it() {
    let (public, account) = (public(), "T11200001".parse().unwrap());
    Property::new("record-id").of_text("[a-zA-Z0-9 /?#%å]{1,12}", move |text| {
        let Ok(id) = text.parse() else { return };
        let link = Link::Customer(id);
        let href = link.href(&public, account);
        assert_eq!(Link::customer(&href, &public, account), Ok(link), "{href}");
        assert_eq!(Url::parse(&href).unwrap().as_str(), href, "nothing in it is taken for a part of the path");
    });
}

#[test]
fn an_installers_number_is_one_with_signs_in_it() {
    Property::new("phone").of_text("\\+?[0-9 .()-]{1,20}", |text| {
        let digits: String = text.chars().filter(|c| !" -.()".contains(*c)).collect();
        let expected = digits.parse::<Phone>().is_ok() && text.len() <= 40;
        assert_eq!(InstallerProfile::phone(text).ok().as_deref(), expected.then_some(text));
    });
}
