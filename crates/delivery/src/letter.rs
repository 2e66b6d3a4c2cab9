//! What a message says: a template for each thing there is to tell, in each language.

use minijinja::{AutoEscape, Environment, context};
use serde_json::{Value, json};
use tenantry_accounts::{Message, Template};
use tenantry_domain::Channel;

use crate::Failure;

/// Templates by language and name. The first line of a text is its subject.
const TEMPLATES: [(&str, &str); 31] = [
    ("letter.html", include_str!("../templates/letter.html")),
    ("en/code.txt", include_str!("../templates/en/code.txt")),
    ("en/code.html", include_str!("../templates/en/code.html")),
    ("en/code.sms", include_str!("../templates/en/code.sms")),
    ("en/password.txt", include_str!("../templates/en/password.txt")),
    ("en/password.html", include_str!("../templates/en/password.html")),
    ("en/invitation.txt", include_str!("../templates/en/invitation.txt")),
    ("en/invitation.html", include_str!("../templates/en/invitation.html")),
    ("en/confirmation.txt", include_str!("../templates/en/confirmation.txt")),
    ("en/confirmation.html", include_str!("../templates/en/confirmation.html")),
    ("en/reset.txt", include_str!("../templates/en/reset.txt")),
    ("en/reset.html", include_str!("../templates/en/reset.html")),
    ("en/approved.txt", include_str!("../templates/en/approved.txt")),
    ("en/approved.html", include_str!("../templates/en/approved.html")),
    ("en/rejected.txt", include_str!("../templates/en/rejected.txt")),
    ("en/rejected.html", include_str!("../templates/en/rejected.html")),
    ("nb/code.txt", include_str!("../templates/nb/code.txt")),
    ("nb/code.html", include_str!("../templates/nb/code.html")),
    ("nb/code.sms", include_str!("../templates/nb/code.sms")),
    ("nb/password.txt", include_str!("../templates/nb/password.txt")),
    ("nb/password.html", include_str!("../templates/nb/password.html")),
    ("nb/invitation.txt", include_str!("../templates/nb/invitation.txt")),
    ("nb/invitation.html", include_str!("../templates/nb/invitation.html")),
    ("nb/confirmation.txt", include_str!("../templates/nb/confirmation.txt")),
    ("nb/confirmation.html", include_str!("../templates/nb/confirmation.html")),
    ("nb/reset.txt", include_str!("../templates/nb/reset.txt")),
    ("nb/reset.html", include_str!("../templates/nb/reset.html")),
    ("nb/approved.txt", include_str!("../templates/nb/approved.txt")),
    ("nb/approved.html", include_str!("../templates/nb/approved.html")),
    ("nb/rejected.txt", include_str!("../templates/nb/rejected.txt")),
    ("nb/rejected.html", include_str!("../templates/nb/rejected.html")),
];

/// A message as a person gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// How it is sent.
    pub channel: Channel,
    /// Where to.
    pub to: String,
    /// What it is about; empty for text messages.
    pub subject: String,
    /// Its plain text.
    pub text: String,
    /// The same as HTML; empty for text messages.
    pub html: String,
}

impl Letter {
    /// Writes a message.
    pub fn new(message: &Message) -> Result<Self, Failure> {
        let language = language(message.language.as_deref());
        let name = match message.template {
            Template::Code => "code",
            Template::Password => "password",
            Template::Invitation => "invitation",
            Template::Confirmation => "confirmation",
            Template::Reset => "reset",
            Template::IdentityApproved => "approved",
            Template::IdentityRejected => "rejected",
        };
        let sender = Sender { name: &message.sender, logo: message.logo.as_deref() };
        written(message.channel, &message.target, (language, name), message.secret.reveal(), sender)
    }

    /// As it is kept in a file.
    pub fn json(&self) -> Value {
        let channel = match self.channel {
            Channel::Email => "email",
            Channel::Sms => "sms",
        };
        json!({"channel": channel, "to": self.to, "subject": self.subject, "text": self.text, "html": self.html})
    }
}

/// Bokmål for Norwegian, English for all others.
fn language(code: Option<&str>) -> &'static str {
    match code.map(|code| code.split('-').next().unwrap_or_default()) {
        Some("no" | "nb" | "nn") => "nb",
        _ => "en",
    }
}

/// How a message looks, with made-up values; `None` for a template or language that is not there.
pub fn preview(template: &str, language: &str) -> Option<Letter> {
    TEMPLATES.iter().find(|(name, _)| *name == format!("{language}/{template}.txt"))?;
    let secret = match template {
        "code" => "123456",
        "rejected" => "The picture of the back cannot be read.",
        _ => "https://id.example.com/account/password?token=...",
    };
    let sender = Sender { name: "Example Shop", logo: Some("https://shop.example.com/logo.png") };
    written(Channel::Email, "ola@example.com", (language, template), secret, sender).ok()
}

/// In whose name a message is sent.
#[derive(Clone, Copy)]
struct Sender<'s> {
    name: &'s str,
    logo: Option<&'s str>,
}

fn written(
    channel: Channel,
    to: &str,
    (language, name): (&str, &str),
    secret: &str,
    Sender { name: sender, logo }: Sender<'_>,
) -> Result<Letter, Failure> {
    let fault = |error: minijinja::Error| Failure::Letter(error.to_string());
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|name| match name.rsplit_once('.') {
        Some((_, "html")) => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    for (name, text) in TEMPLATES {
        templates.add_template(name, text).map_err(fault)?;
    }
    let render = |form: &str| {
        let template = templates.get_template(&format!("{language}/{name}.{form}")).map_err(fault)?;
        // A name of several lines would begin another line of the message's head.
        let sender = sender.split_whitespace().collect::<Vec<_>>().join(" ");
        template.render(context! { secret, sender, logo, language }).map_err(fault)
    };
    let to = to.to_owned();
    if channel == Channel::Sms {
        return Ok(Letter {
            channel,
            to,
            subject: String::new(),
            text: render("sms")?.trim_end().to_owned(),
            html: String::new(),
        });
    }
    let text = render("txt")?;
    let (subject, text) = text.split_once('\n').unwrap_or_default();
    Ok(Letter { channel, to, subject: subject.to_owned(), text: text.trim_start().to_owned(), html: render("html")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_in_the_accounts_language_and_its_name_is_only_text() {
        let letter = |language: Option<&str>, channel, sender: &str| {
            let sender = Sender { name: sender, logo: Some("https://a.example/?a=1&b=%22") };
            written(channel, "a@b.no", (super::language(language), "code"), "001234", sender).unwrap()
        };
        let english = letter(None, Channel::Email, "Shop\r\nBcc: x@y.z <b>");
        assert_eq!(english.subject, "001234 is your code for Shop Bcc: x@y.z <b>");
        assert!(english.text.contains("001234") && english.html.contains("001234"));
        assert!(english.html.contains("&lt;b&gt;") && !english.html.contains("<b>"), "{}", english.html);
        assert!(
            english.html.contains(r#"<img src="https:&#x2f;&#x2f;a.example&#x2f;?a=1&amp;b=%22" alt="Shop Bcc"#),
            "{}",
            english.html
        );
        assert!(letter(Some("nb"), Channel::Email, "Butikk").text.contains("koden din"));
        assert!(letter(Some("no-NO"), Channel::Sms, "Butikk").text.contains("001234"));
        assert_eq!(letter(Some("fr"), Channel::Sms, "Shop").html, "");
    }

    #[test]
    fn every_template_can_be_previewed() {
        for (name, template) in TEMPLATES.iter().filter_map(|(name, _)| Some((name, name.strip_suffix(".txt")?))) {
            let (language, template) = template.split_once('/').unwrap();
            let letter = preview(template, language).unwrap();
            assert!(!letter.subject.is_empty() && !letter.text.is_empty() && !letter.html.is_empty(), "{name}");
        }
        assert_eq!(preview("nothing", "en"), None);
    }
}
